"""The marts around a replay: what they held before is remembered, cleared, compared, and put back where needed.

Everything happens in the caller's transaction. Rows are deleted rather than tables truncated, so that readers keep
seeing the former ones until it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from order_assets.warehouse import restatements, schema, summaries
from order_assets.warehouse.ledger_schema import accounts, as_of, order_lineage, touched_months, unknown_fields
from order_assets.warehouse.sql import statement

VOLATILE = frozenset({"first_seen_at", "last_seen_at", "last_changed_at", "run_id"})
"""Columns of the facts that say when and by which run a row came; a difference there is no change of the order."""

_STAGES = sa.text(
    "select string_agg(oid::regclass::text, ', ') from pg_class"
    r" where relnamespace = pg_my_temp_schema() and relkind = 'r' and relname not like 'replay\_%'"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How many facts there are, and how many differ from those remembered."""

    orders: int
    added: int
    changed: int
    removed: int


def of_orders() -> list[sa.Table]:
    """Return the tables whose rows belong to an order: its lines, discounts, events, lineage."""
    return [
        table
        for table in schema.metadata.sorted_tables
        if any(key.column.table is schema.order_facts for key in table.foreign_keys)
    ]


def _dimensions() -> list[sa.Table]:
    wanted = {key.column.table for key in schema.order_facts.foreign_keys}
    return [table for table in schema.metadata.sorted_tables if table in wanted]


def _former(table: sa.Table) -> str:
    return f"replay_{table.name}"


def _names(table: sa.Table) -> str:
    """Return the columns that can be written."""
    return ", ".join(column.name for column in table.columns if column.computed is None)


def remember(connection: sa.Connection) -> None:
    """Keep facts, what belongs to them, dimensions and unknown fields as they are now."""
    for table in (schema.order_facts, *of_orders(), *_dimensions(), unknown_fields, accounts):
        connection.execute(sa.text(f"create temporary table {_former(table)} on commit drop as table {table.fullname}"))
        connection.execute(sa.text(f"analyze {_former(table)}"))


def clear(connection: sa.Connection) -> None:
    """Empty the facts, all that belongs to them, and the dimensions; forget whose account it is, as at the start.

    Orders whose first page is gone stay, to be derived anew on top of what they are.
    """
    run = connection.execute
    run(statement("replay/past_orders"))
    run(sa.text("analyze replay_past"))
    facts, past = schema.order_facts, sa.table("replay_past", sa.column("order_key"))
    for table in (*of_orders(), facts):
        run(sa.delete(table).where(table.c.order_key.not_in(sa.select(past.c.order_key))))
    for key in facts.foreign_keys:
        used = sa.exists().where(key.parent == key.column)
        run(sa.delete(key.column.table).where(~used))
    run(sa.delete(unknown_fields))
    named = sa.exists().where(
        order_lineage.c.source_system == accounts.c.source_system,
        order_lineage.c.partition_key == accounts.c.partition_key,
    )
    run(sa.update(accounts).where(accounts.c.customer_key.is_not(None), ~named).values(customer_key=None))


def drop_stages(connection: sa.Connection) -> None:
    """Drop the temporary tables of a load, so that the next one in this transaction can make its own."""
    names = connection.execute(_STAGES).scalar_one()
    if names:
        connection.execute(sa.text(f"drop table {names}"))


def restore(connection: sa.Connection, replayed: Sequence[int], run_id: str, *, is_whole: bool) -> int:
    """Put back the former facts that could not be derived from the replayed crawls; return how many stay as they were.

    Dimensions keep the rows that no page names any more, and counts of unknown fields are not doubled.
    """
    run = connection.execute
    for table in _dimensions():
        names = _names(table)
        (key,) = table.primary_key.columns.keys()
        run(
            sa.text(
                f"insert into {table.fullname} ({names}) select {names} from {_former(table)}"  # noqa: S608 - names of the schema
                f" on conflict ({key}) do nothing"
            )
        )
    run(statement("replay/account_customers"))
    replayed_crawls = sa.bindparam("replayed", list(replayed), type_=ARRAY(sa.BigInteger))
    run(statement("replay/kept_orders").bindparams(replayed_crawls))
    kept = int(run(sa.text("select count(*) from replay_kept")).scalar_one())
    past = untouched = 0
    if is_whole:
        run(statement("replay/unchanged_since"))
        query = "select count(*), count(*) filter (where f.run_id <> :run_id) from replay_past inner join"
        past, untouched = run(sa.text(f"{query} marts.order_facts as f using (order_key)"), {"run_id": run_id}).one()
    if kept and is_whole:
        for table in (schema.order_facts, *of_orders()):
            names = _names(table)
            run(
                sa.text(
                    f"insert into {table.fullname} ({names}) select {names} from {_former(table)}"  # noqa: S608 - names of the schema
                    " where order_key in (select order_key from replay_kept)"
                )
            )
        run(statement("replay/order_sequence"))
    if kept or past or not is_whole:
        names = _names(unknown_fields)
        run(
            sa.text(
                f"insert into {unknown_fields.fullname} ({names}) select {names} from {_former(unknown_fields)}"  # noqa: S608 - names of the schema
                " on conflict (source_system, field, value) do update set occurrences = excluded.occurrences,"
                " last_crawl_id = excluded.last_crawl_id"
            )
        )
    return kept + untouched


def publish(connection: sa.Connection, run_id: str) -> tuple[tuple[date, ...], int]:
    """Note which published months changed and recompute every summary; return the months, and how many sums changed."""
    run = connection.execute
    drop_stages(connection)
    run(sa.text("create temporary table restated_before on commit drop as table replay_order_facts"))
    run(
        sa.text(
            "create temporary table changed_orders on commit drop as select n.order_key, true as is_new"
            " from marts.order_facts as n"
            " where not exists (select 1 from replay_order_facts as f where f.order_key = n.order_key)"
        )
    )
    restated = restatements.record(connection, [], is_replay=True)
    run(statement("replay/touch_months"))
    return summarise_all(connection, run_id), restated


def summarise_all(connection: sa.Connection, run_id: str) -> tuple[date, ...]:
    """Recompute every summary for every month that ever had orders; return the months."""
    months = tuple(
        connection.execute(sa.select(touched_months.c.order_month).order_by(touched_months.c.order_month)).scalars()
    )
    summarise(connection, months, run_id)
    return months


def summarise(connection: sa.Connection, months: Sequence[date], run_id: str) -> None:
    """Recompute the summaries by month from the first to the last of the months (ascending), and the whole ones.

    Ages stay taken at the date they were taken at; the first time, at today's (UTC).
    """
    if not months:
        return
    for name in summaries.MONTHLY_TABLES:
        summaries.summarise(connection, name, months[0], months[-1], run_id)
    taken_at = connection.execute(sa.select(sa.func.max(as_of.c.as_of_date))).scalar_one()
    if taken_at is None:
        taken_at = datetime.now(UTC).date()
        summaries.set_as_of(connection, taken_at, run_id)
    for name in summaries.WHOLE_TABLES:
        summaries.summarise_whole(connection, name, taken_at, run_id)


def difference(connection: sa.Connection) -> Difference:
    """Compare the facts with those remembered, but for when and by which run they came."""
    facts = schema.order_facts
    former = sa.table(_former(facts), *(sa.column(column.name, column.type) for column in facts.columns))
    compared = [column.name for column in facts.columns if column.name not in VOLATILE]
    differs = sa.tuple_(*(facts.c[name] for name in compared)).is_distinct_from(
        sa.tuple_(*(former.c[name] for name in compared))
    )
    both = facts.join(former, former.c.order_key == facts.c.order_key, full=True)
    counts = sa.select(
        sa.func.count(facts.c.order_key),
        sa.func.count().filter(former.c.order_key.is_(None)),
        sa.func.count().filter(facts.c.order_key.is_not(None), former.c.order_key.is_not(None), differs),
        sa.func.count().filter(facts.c.order_key.is_(None)),
    ).select_from(both)
    return Difference(*(int(n) for n in connection.execute(counts).one()))

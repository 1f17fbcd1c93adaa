"""Frames into facts: COPY into temporary stages, then set-based statements, all in the caller's transaction.

One load runs at a time (an advisory lock), readers see the facts before or after it. Rows that do not differ are not
written, so loading the same pages twice changes nothing.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from order_assets.domain.pages import Frames
from order_assets.warehouse import fact_schema, ledger_schema, restatements, schema
from order_assets.warehouse.sql import statement

_LOAD_LOCK = 7_205_102  # any number; the same for all loads

# Columns of order_facts that a page does not carry: they are decided while loading.
_DECIDED_HERE = {"revenue_class", "customer_order_seq", "first_seen_at", "last_seen_at", "last_changed_at", "run_id"}
_VERSION: tuple[sa.Column[Any], ...] = (
    sa.Column("crawl_id", sa.BigInteger()),
    sa.Column("page_number", sa.Integer()),
    sa.Column("position", sa.Integer()),
)
_FETCHED_AT: sa.Column[Any] = sa.Column("fetched_at", sa.TIMESTAMP(timezone=True))


class LostOrdersError(RuntimeError):
    """The merge did not keep an order of the pages: a defect of ours, never to be committed."""


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """What a load did: orders by outcome, and the months (first days) whose summaries are now stale."""

    orders_new: int = 0
    orders_changed: int = 0
    orders_unchanged: int = 0
    stale_payloads: int = 0
    months: frozenset[date] = field(default_factory=frozenset)

    def __add__(self, other: LoadCounts) -> LoadCounts:
        """Add the counts of two loads."""
        return LoadCounts(
            self.orders_new + other.orders_new,
            self.orders_changed + other.orders_changed,
            self.orders_unchanged + other.orders_unchanged,
            self.stale_payloads + other.stale_payloads,
            self.months | other.months,
        )


def _stage(name: str, table: sa.Table, *more: sa.Column[Any], leave_out: AbstractSet[str] = frozenset()) -> sa.Table:
    kept = [sa.Column(c.name, c.type) for c in table.columns if c.name not in leave_out]
    extra = [sa.Column(c.name, c.type) for c in more]
    return sa.Table(name, sa.MetaData(), *kept, *extra, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


_DIMENSION_TIMES = {"first_seen_at", "last_seen_at"}
STAGE_ORDERS = _stage(
    "stage_orders",
    schema.order_facts,
    sa.Column("partition_key", sa.Text()),
    *_VERSION,
    _FETCHED_AT,
    leave_out=_DECIDED_HERE,
)
STAGE_LINES = _stage("stage_lines", fact_schema.order_line_facts, *_VERSION)
STAGE_EVENTS = _stage("stage_events", fact_schema.order_status_events, *_VERSION)
STAGE_LIFECYCLES = _stage("stage_lifecycles", schema.order_lifecycle, *_VERSION)
STAGE_DISCOUNTS = _stage("stage_discounts", schema.discount_facts, *_VERSION)
STAGE_STORES = _stage("stage_stores", schema.dim_store, _FETCHED_AT, leave_out=_DIMENSION_TIMES)
STAGE_CUSTOMERS = _stage("stage_customers", schema.dim_customer, _FETCHED_AT, leave_out=_DIMENSION_TIMES)
_STAGES: tuple[tuple[sa.Table, Callable[[Frames], pd.DataFrame]], ...] = (
    (STAGE_ORDERS, lambda frames: frames.orders),
    (STAGE_LINES, lambda frames: frames.lines),
    (STAGE_EVENTS, lambda frames: frames.events),
    (STAGE_LIFECYCLES, lambda frames: frames.lifecycles),
    (STAGE_DISCOUNTS, lambda frames: frames.discounts),
    (STAGE_STORES, lambda frames: frames.stores),
    (STAGE_CUSTOMERS, lambda frames: frames.customers),
)


class FactsLoad:
    """One load: `add` any number of frames, then `merge` once. The connection's transaction is the caller's."""

    def __init__(self, connection: sa.Connection, *, is_replay: bool = False) -> None:
        """Take the lock and make the stages.

        `is_replay`: also write orders that do not differ, unless this run wrote them already; whoever replays
        compares the months himself.
        """
        self._connection = connection
        self._is_replay = is_replay
        self._staged = 0
        self._unknown: Counter[tuple[str, str, str]] = Counter()
        lock(connection)
        for table, _ in _STAGES:
            table.create(connection)

    def add(self, frames: Frames) -> None:
        """Copy the frames into the stages."""
        self._staged += len(frames.orders)
        if len(frames.orders):
            system = str(frames.orders["source_system"].iloc[0])
            for (field, value), count in frames.unknown.items():
                self._unknown[system, field, value] += count
        for table, frame_of in _STAGES:
            copy(self._connection, table, frame_of(frames))

    def merge(self, crawl_ids: Sequence[int], run_id: str) -> LoadCounts:
        """Bring the facts up to date with the stages and mark the crawls as loaded."""
        run = self._connection.execute
        counts = LoadCounts()
        run(sa.text("create temporary table changed_orders (order_key text primary key, is_new bool) on commit drop"))
        run(statement("load/accepted_orders"))
        run(statement("load/stale_payloads"))
        vanished = run(statement("load/any_vanished"), {"crawl_ids": list(crawl_ids)}).scalar_one()
        if self._staged or vanished:
            run(sa.text("analyze accepted_orders"))
            run(statement("load/dim_store"))
            run(statement("load/dim_customer"))
            run(statement("load/prior_versions"))
            if not self._is_replay:
                restatements.remember(self._connection, crawl_ids)
            run(_upsert_orders(rewrite=self._is_replay), {"run_id": run_id})
            run(statement("load/member_conflicts"))
            run(sa.text("analyze changed_orders, stage_lines, stage_events"))
            run(_replace_lifecycles())
            run(statement("load/replace_discounts"))
            run(statement("load/delete_lines"))
            run(statement("load/insert_lines"))
            run(statement("load/delete_events"))
            run(statement("load/insert_events"))
            run(statement("load/lineage"))
            run(statement("load/account_customers"))
            run(statement("load/adopt_orders"))
            run(statement("load/adopt_orders_apply"))
            lost = run(statement("load/lost_orders")).scalar_one()
            if lost:
                raise LostOrdersError(f"{lost} orders of the pages are not in the facts after the merge")
            if vanished:
                run(statement("load/vanished_orders"), {"crawl_ids": list(crawl_ids), "run_id": run_id})
            if not self._is_replay:
                restatements.record(self._connection, crawl_ids)
            counts = self._counts(self._touch())
        self._note_unknown(crawl_ids)
        run(statement("load/finish_crawls"), {"crawl_ids": list(crawl_ids)})
        return counts

    def _note_unknown(self, crawl_ids: Sequence[int]) -> None:
        """Add what the APIs sent beyond their documents to `ops.unknown_fields`."""
        rows = [
            {"source_system": system, "field": field, "value": value, "occurrences": count,
             "first_crawl_id": min(crawl_ids), "last_crawl_id": max(crawl_ids)}
            for (system, field, value), count in sorted(self._unknown.items())
        ]  # fmt: skip
        if rows:
            add = insert(ledger_schema.unknown_fields)
            known = ledger_schema.unknown_fields.c
            self._connection.execute(
                add.on_conflict_do_update(
                    index_elements=["source_system", "field", "value"],
                    set_={
                        "occurrences": known.occurrences + add.excluded.occurrences,
                        "last_crawl_id": sa.func.greatest(known.last_crawl_id, add.excluded.last_crawl_id),
                    },
                ),
                rows,
            )

    def _touch(self) -> frozenset[date]:
        run = self._connection.execute
        run(sa.text("create temporary table touched_dates (order_date date) on commit drop"))
        run(statement("load/touched_dates"))
        run(statement("load/order_sequence"))
        number = run(sa.text("select nextval('ops.change_numbers')")).scalar_one()
        return frozenset(run(statement("load/touch_months"), {"change_number": number}).scalars())

    def _counts(self, months: frozenset[date]) -> LoadCounts:
        query = sa.text(
            "select count(*) filter (where c.is_new), count(*) filter (where not c.is_new), (select count(*)"
            " from accepted_orders as a where not exists (select from changed_orders as x where x.order_key ="
            " a.order_key)), (select count(*) from stale_orders) from changed_orders as c"
        )
        new, changed, kept, stale = self._connection.execute(query).one()
        return LoadCounts(new, changed, kept - stale, stale, months)


def lock(connection: sa.Connection) -> None:
    """Wait for other loads, and keep them waiting until the transaction ends."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOAD_LOCK})


def copy(connection: sa.Connection, table: sa.Table, frame: pd.DataFrame) -> None:
    """COPY a frame with Arrow columns into a table, exactly: decimals and instants travel as text.

    Columns of type array must already be PostgreSQL array literals.
    """
    if frame.empty:
        return
    names = [column.name for column in table.columns]
    buffer = io.BytesIO()
    # One chunk per column: for an empty chunk, as pandas.concat leaves them, write_csv repeats stale bytes.
    arrow_table = pa.Table.from_pandas(frame[names], preserve_index=False).combine_chunks()
    pyarrow.csv.write_csv(arrow_table, buffer, pyarrow.csv.WriteOptions(include_header=False))
    preparer = connection.dialect.identifier_preparer
    target = preparer.format_table(table)
    columns = ", ".join(preparer.quote(name) for name in names)
    raw = connection.connection.driver_connection
    assert raw is not None  # noqa: S101 - an open SQLAlchemy connection has one
    with raw.cursor() as cursor, cursor.copy(f"copy {target} ({columns}) from stdin (format csv)") as sink:
        sink.write(buffer.getbuffer())


def _upsert_orders(*, rewrite: bool) -> sa.Insert:
    """Insert or update by the rule of model.md 1.6, and note which orders it wrote.

    `rewrite`: also write what does not differ, once per run.
    """
    facts = schema.order_facts
    accepted = sa.table("accepted_orders", *(sa.column(c.name, c.type) for c in STAGE_ORDERS.columns))
    from_page = [c.name for c in facts.columns if c.name not in _DECIDED_HERE]
    seen = {"first_seen_at", "last_seen_at", "last_changed_at"}
    rows = sa.select(
        *(accepted.c[name] for name in from_page),
        *(accepted.c.fetched_at.label(name) for name in sorted(seen)),
        sa.bindparam("run_id", type_=sa.Text()).label("run_id"),
    )
    upsert = insert(facts).from_select([*from_page, *sorted(seen), "run_id"], rows)
    new = upsert.excluded
    same_clock = sa.or_(
        new.source_updated_at == facts.c.source_updated_at,
        new.source_updated_at.is_(None),
        facts.c.source_updated_at.is_(None),
    )
    written = (
        upsert.on_conflict_do_update(
            index_elements=[facts.c.order_key],
            set_={name: new[name] for name in [*from_page, "last_seen_at", "last_changed_at", "run_id"]},
            where=sa.and_(
                sa.or_(facts.c.source_system == "scalev", facts.c.customer_key == new.customer_key),
                sa.or_(
                    new.source_updated_at > facts.c.source_updated_at,
                    sa.and_(
                        same_clock,
                        # Of two crawls at once, the one that looked first may be loaded last.
                        new.last_seen_at >= facts.c.last_seen_at,
                        sa.or_(
                            new.payload_sha256 != facts.c.payload_sha256,
                            facts.c.is_deleted_at_source,
                            *([new.run_id != facts.c.run_id] if rewrite else []),
                        ),
                    ),
                ),
            ),
        )
        .returning(facts.c.order_key, sa.literal_column("xmax = 0").label("is_new"))
        .cte("written")
    )
    changed = sa.table("changed_orders", sa.column("order_key"), sa.column("is_new"))
    return sa.insert(changed).from_select(["order_key", "is_new"], sa.select(written.c.order_key, written.c.is_new))


def _replace_lifecycles() -> sa.Insert:
    """Insert or update the snapshot of each changed order."""
    table = schema.order_lifecycle
    names = [c.name for c in table.columns]
    stage = sa.table("stage_lifecycles", *(sa.column(c.name, c.type) for c in STAGE_LIFECYCLES.columns))
    accepted = sa.table(
        "accepted_orders", *(sa.column(n) for n in ("order_key", "crawl_id", "page_number", "position"))
    )
    changed = sa.table("changed_orders", sa.column("order_key"))
    same_version = sa.and_(*(stage.c[c.name] == accepted.c[c.name] for c in accepted.columns))
    rows = (
        sa.select(*(stage.c[name] for name in names))
        .join(accepted, same_version)
        .join(changed, changed.c.order_key == stage.c.order_key)
    )
    upsert = insert(table).from_select(names, rows)
    return upsert.on_conflict_do_update(
        index_elements=[table.c.order_key], set_={name: upsert.excluded[name] for name in names}
    )

"""Forget: erase one person from pages, ledger, marts and Dagster, and leave everybody else's numbers as they are.

One transaction: after a kill either nothing happened or all of it; only Dagster's log files, which name accounts and
nothing else of a person, are gone through before. The account itself stays, retired and without a name: it is how we
know not to crawl it again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from order_assets.crawl import accounts as roster
from order_assets.crawl.session import Session
from order_assets.domain import keys
from order_assets.settings import Settings, SourceSystem
from order_assets.warehouse import dagster_history, load, rebuild, schema
from order_assets.warehouse.ledger_schema import accounts, crawls, credentials, order_lineage, order_pages, page_keys
from order_assets.warehouse.sql import statement
from order_assets.warehouse.unchanged import count_at_once

NEUTRAL_NAME = "forgotten"


class AccountBusyError(RuntimeError):
    """The account is being crawled; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased, or would be.

    `partition_keys`: the account, and others that are the same person's. `still_configured`: those of them that the
    accounts file lists. `dagster_rows`: how many rows of Dagster's storage were deleted or reworded; None before it is
    done, and where that storage is in another database, which then has to be looked after by hand.
    """

    source_system: SourceSystem
    partition_keys: tuple[str, ...]
    orders: int
    crawls: int
    pages: int
    months: tuple[date, ...]
    still_configured: tuple[str, ...]
    dagster_rows: int | None = None


def preview(connection: sa.Connection, settings: Settings, source_system: SourceSystem, key: str) -> Forgotten:
    """Return what `forget` would erase; changes nothing.

    Raises:
        SettingsError: there is no such account.
    """
    return _extent(connection, settings, source_system, key)[0]


def forget(
    engine: sa.Engine, settings: Settings, source_system: SourceSystem, key: str, run_id: str = "forget"
) -> Forgotten:
    """Erase the person whose account it is; return what was erased.

    Raises:
        SettingsError: there is no such account.
        AccountBusyError: it is being crawled.
    """
    with engine.connect() as connection:
        wanted = preview(connection, settings, source_system, key).partition_keys
    with Session(engine) as session:
        held = session.hold(source_system, wanted)
        if held != set(wanted):
            raise AccountBusyError(f"{key} is being crawled; nothing was erased. Try again when the crawl has ended")
        with engine.begin() as connection:
            load.lock(connection)
            extent, people = _extent(connection, settings, source_system, key)
            if set(extent.partition_keys) - held:
                raise AccountBusyError(f"{key} has just got orders; nothing was erased. Try again")
            for each in extent.partition_keys:
                roster.retire(connection, settings, each, source_system=source_system)
            _reword_logs(settings.state / "dagster" / "logs", extent.partition_keys)
            rows = _erase(connection, extent, people, run_id)
            count_at_once(connection)
    return dataclasses.replace(extent, dagster_rows=rows)


def _reword_logs(folder: Path, partition_keys: Sequence[str]) -> None:
    """Take the accounts out of what runs and sensors logged into files."""
    for path in folder.rglob("*"):
        if path.is_file():
            before = path.read_bytes().decode(errors="surrogateescape")
            after = dagster_history.redacted(before, partition_keys)
            if after != before:
                new = path.with_name(f"{path.name}.new")
                new.write_bytes(after.encode(errors="surrogateescape"))
                new.replace(path)


def _extent(
    connection: sa.Connection, settings: Settings, source_system: SourceSystem, key: str
) -> tuple[Forgotten, list[str]]:
    """Return what belongs to the person, and the pseudonyms they have."""
    roster.find(roster.states(connection, settings), key, source_system)
    mine = sa.and_(accounts.c.source_system == source_system, accounts.c.partition_key == key)
    row = connection.execute(sa.select(accounts).where(mine)).one_or_none()
    people = [] if row is None or row.customer_key is None else [row.customer_key]
    same = sa.and_(accounts.c.source_system == source_system, accounts.c.customer_key == _any(people))
    others = connection.execute(sa.select(accounts.c.partition_key).where(same)).scalars()
    partition_keys = sorted({key, *others})
    scope = {account.partition_key: account.source_account for account in settings.roster()}
    for each in partition_keys:
        source_account = scope.get(each) or each.partition("/")[0]
        name = each.removeprefix(f"{source_account}/")
        # Who they were while no order named them; and of a member, who they are.
        labels = (f"account:{each}", name) if source_system == "ktsp" else (f"account:{each}",)
        secret = settings.keys.hmac.get_secret_value()
        people += [keys.customer_key(secret, source_system, source_account, label) for label in labels]
    people = list(dict.fromkeys(people))
    crawl_ids = sa.select(crawls.c.crawl_id).where(_theirs(crawls, source_system, partition_keys))
    orders = schema.order_facts.c.order_key.in_(_orders(source_system, partition_keys, people))
    month = sa.cast(sa.func.date_trunc("month", schema.order_facts.c.order_date), sa.Date)
    count = sa.select(sa.func.count())
    extent = Forgotten(
        source_system=source_system,
        partition_keys=tuple(partition_keys),
        orders=int(connection.execute(count.select_from(schema.order_facts).where(orders)).scalar_one()),
        crawls=int(connection.execute(count.select_from(crawl_ids.subquery())).scalar_one()),
        pages=int(
            connection.execute(count.select_from(order_pages).where(order_pages.c.crawl_id.in_(crawl_ids))).scalar_one()
        ),
        months=tuple(connection.execute(sa.select(month).where(orders).distinct().order_by(month)).scalars()),
        still_configured=tuple(
            account.partition_key
            for account in settings.roster()
            if account.source_system == source_system and account.partition_key in partition_keys
        ),
    )
    return extent, people


def _orders(source_system: str, partition_keys: Sequence[str], people: Sequence[str]) -> sa.Select[tuple[str]]:
    """Return the keys of the person's orders: by pseudonym, or brought by their accounts."""
    facts = schema.order_facts
    return (
        sa.select(facts.c.order_key)
        .outerjoin(order_lineage, order_lineage.c.order_key == facts.c.order_key)
        .where(sa.or_(facts.c.customer_key == _any(people), _theirs(order_lineage, source_system, partition_keys)))
        .correlate(None)
    )


def _erase(connection: sa.Connection, extent: Forgotten, people: Sequence[str], run_id: str) -> int | None:
    run = connection.execute
    system, partition_keys = extent.source_system, extent.partition_keys
    order_keys = [str(key) for key in run(_orders(system, partition_keys, people)).scalars()]
    crawl_ids = list(run(sa.select(crawls.c.crawl_id).where(_theirs(crawls, system, partition_keys))).scalars())
    values = {"order_keys": order_keys, "crawl_ids": crawl_ids, "months": list(extent.months)}
    for table in (*rebuild.of_orders(), schema.order_facts):
        run(sa.delete(table).where(table.c.order_key == _any(order_keys)))
    for table in schema.metadata.sorted_tables:
        if table.schema == "marts" and "customer_key" in table.c and table is not schema.order_facts:
            run(sa.delete(table).where(table.c.customer_key == _any(people)))
    run(statement("replay/forget_restatements"), values)
    run(statement("replay/forget_vanished"), values)
    run(sa.delete(crawls).where(_theirs(crawls, system, partition_keys)))  # their pages go with them
    for table in (credentials, page_keys):
        run(sa.delete(table).where(_theirs(table, system, partition_keys)))
    run(
        sa.update(accounts)
        .where(_theirs(accounts, system, partition_keys))
        .values(display_name=NEUTRAL_NAME, customer_key=None)
    )
    if extent.months:
        run(statement("replay/touch_these_months"), values)
        rebuild.summarise(connection, extent.months, run_id)
    return dagster_history.erase(connection, partition_keys, [*order_keys, *people])


def _theirs(table: sa.Table, source_system: str, partition_keys: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.source_system == source_system, table.c.partition_key == _any(partition_keys))


def _any(values: Sequence[Any]) -> sa.ColumnElement[Any]:
    return sa.any_(sa.bindparam(None, list(values), type_=ARRAY(sa.Text)))

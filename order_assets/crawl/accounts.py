"""The roster: configured accounts kept in `ops.accounts`, and who is to be crawled.

Accounts are never deleted here, since their history refers to them; one that leaves the configuration is retired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert

from order_assets.settings import Account, Settings
from order_assets.warehouse.ledger_schema import accounts, crawls


@dataclass(frozen=True, slots=True)
class RosterChange:
    """How many accounts a synchronisation added, changed (or brought back) and retired."""

    added: int
    changed: int
    retired: int


def sync(connection: sa.Connection, settings: Settings) -> RosterChange:
    """Make `ops.accounts` follow the configuration. Writes nothing when nothing differs."""
    origin = "sandbox" if settings.is_sandbox else "file"
    rows = [_row(account, origin) for account in settings.roster()]
    before = {
        (row.source_system, row.partition_key): row
        for row in connection.execute(sa.select(accounts).where(accounts.c.origin.in_(["file", "sandbox"])))
    }
    fresh = [row for row in rows if not _same(before.get((row["source_system"], row["partition_key"])), row)]
    if fresh:
        upsert = insert(accounts)
        settable = ("source_account", "display_name", "time_zone", "currency", "origin")
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["source_system", "partition_key"],
                set_={
                    **{name: upsert.excluded[name] for name in settable},
                    "state": sa.case((accounts.c.state == "retired", "active"), else_=accounts.c.state),
                    "retired_at": None,
                    "retired_by": None,
                },
            ),
            fresh,
        )
    configured = {(row["source_system"], row["partition_key"]) for row in rows}
    gone = [key for key, row in before.items() if key not in configured and row.state != "retired"]
    for source_system in {source for source, _ in gone}:
        connection.execute(
            sa.update(accounts)
            .where(
                accounts.c.source_system == source_system, _is_one_of([key for s, key in gone if s == source_system])
            )
            .values(state="retired", retired_at=sa.func.now(), retired_by="file")
        )
    added = sum((row["source_system"], row["partition_key"]) not in before for row in fresh)
    return RosterChange(added=added, changed=len(fresh) - added, retired=len(gone))


def _is_one_of(keys: Sequence[str]) -> sa.ColumnElement[bool]:
    # One array parameter: a list of thousands of parameters would exceed the protocol's limit.
    return accounts.c.partition_key == sa.any_(sa.bindparam(None, list(keys), type_=ARRAY(sa.Text)))


def _row(account: Account, origin: str) -> dict[str, object]:
    return {
        "source_system": account.source_system,
        "partition_key": account.partition_key,
        "source_account": account.source_account,
        "display_name": account.name,
        "time_zone": account.time_zone,
        "currency": account.currency,
        "state": "active",
        "origin": origin,
        "added_at": datetime.now(UTC),
    }


def _same(before: sa.Row[tuple[object, ...]] | None, row: dict[str, object]) -> bool:
    if before is None or before.state == "retired":
        return False
    names = ("source_account", "display_name", "time_zone", "currency", "origin")
    return all(getattr(before, name) == row[name] for name in names)


def foreign_origin(connection: sa.Connection, settings: Settings) -> int:
    """Return how many accounts of the other kind (sandbox or real) already brought orders into this database."""
    other = "file" if settings.is_sandbox else "sandbox"
    query = (
        sa.select(sa.func.count(sa.distinct(sa.tuple_(accounts.c.source_system, accounts.c.partition_key))))
        .join(
            crawls,
            sa.and_(
                crawls.c.source_system == accounts.c.source_system, crawls.c.partition_key == accounts.c.partition_key
            ),
        )
        .where(accounts.c.origin == other)
    )
    return int(connection.execute(query).scalar_one())


def active_keys(connection: sa.Connection, source_system: str) -> list[str]:
    """Return the partition keys of the accounts to crawl; retired ones are left alone."""
    query = (
        sa.select(accounts.c.partition_key)
        .where(accounts.c.source_system == source_system, accounts.c.state != "retired")
        .order_by(accounts.c.account_number)
    )
    return list(connection.execute(query).scalars())


def unfinished_keys(connection: sa.Connection, source_system: str) -> set[str]:
    """Return the accounts whose latest crawl did not end complete, or that were never crawled."""
    latest = (
        sa.select(crawls.c.partition_key, crawls.c.status)
        .ext(distinct_on(crawls.c.partition_key))
        .where(crawls.c.source_system == source_system)
        .order_by(crawls.c.partition_key, crawls.c.crawl_id.desc())
        .subquery()
    )
    complete = sa.select(latest.c.partition_key).where(latest.c.status == "complete")
    query = sa.select(accounts.c.partition_key).where(
        accounts.c.source_system == source_system,
        accounts.c.state != "retired",
        accounts.c.partition_key.not_in(complete),
    )
    return set(connection.execute(query).scalars())


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """An account and how its latest crawl ended (nulls if it was never crawled)."""

    source_system: str
    partition_key: str
    state: str
    time_zone: str
    currency: str
    finished_at: datetime | None
    status: str | None
    reason: str | None


def overview(connection: sa.Connection, settings: Settings) -> list[AccountOverview]:
    """Return every account of the database with its latest crawl, then the configured ones that are new."""
    latest = (
        sa.select(crawls)
        .where(crawls.c.source_system == accounts.c.source_system, crawls.c.partition_key == accounts.c.partition_key)
        .order_by(crawls.c.crawl_id.desc())
        .limit(1)
        .lateral("latest")
    )
    names = ("source_system", "partition_key", "state", "time_zone", "currency")
    query = (
        sa.select(*(accounts.c[name] for name in names), latest.c.finished_at, latest.c.status, latest.c.reason)
        .outerjoin(latest, sa.true())
        .order_by(accounts.c.source_system.desc(), accounts.c.partition_key)
    )
    known = [AccountOverview(**row) for row in connection.execute(query).mappings()]
    keys = {(row.source_system, row.partition_key) for row in known}
    new = [
        AccountOverview(a.source_system, a.partition_key, "new", a.time_zone, a.currency, None, None, None)
        for a in settings.roster()
        if (a.source_system, a.partition_key) not in keys
    ]
    return known + new


def set_state(connection: sa.Connection, source_system: str, keys: Sequence[str], state: str) -> None:
    """Note that accounts need a sign-in, are unknown, or are in order again; retired accounts stay retired."""
    connection.execute(
        sa.update(accounts)
        .where(
            accounts.c.source_system == source_system,
            _is_one_of(keys),
            accounts.c.state != "retired",
            accounts.c.state != state,
        )
        .values(state=state)
    )

"""The roster in `ops.accounts`: it follows the accounts file, retires accounts and says who is to be crawled.

Accounts are never deleted here, since their history refers to them. One that leaves the accounts file is retired and
comes back with it; one that a person retired stays retired. How accounts are imported is in `importing`, and with
which tokens they are crawled in `roster`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert

from order_assets.accounts_file import KINDS, SettingsError
from order_assets.settings import Account, Settings, SourceSystem
from order_assets.warehouse.ledger_schema import accounts, crawls


@dataclass(frozen=True, slots=True)
class RosterChange:
    """How many accounts a synchronisation added, changed (or brought back) and retired."""

    added: int
    changed: int
    retired: int


def not_retired(connection: sa.Connection, source_system: str, keys: Sequence[str]) -> list[str]:
    """Return those of the accounts that nobody has retired, in their order."""
    query = sa.select(accounts.c.partition_key).where(
        accounts.c.source_system == source_system, _is_one_of(keys), accounts.c.state == "retired"
    )
    retired = set(connection.execute(query).scalars())
    return [key for key in keys if key not in retired]


def sync(connection: sa.Connection, settings: Settings) -> RosterChange:
    """Make `ops.accounts` follow the configuration. Writes nothing when nothing differs.

    Imported accounts stay as they are, but for the time zone and currency of a store that the accounts file describes.
    """
    origin = _origin(settings)
    roster = settings.roster()
    rows = [_row(account, origin) for account in roster]
    configured = {(account.source_system, account.partition_key) for account in roster}
    before = {
        (row.source_system, row.partition_key): row
        for row in connection.execute(
            sa.select(accounts).where(
                sa.or_(accounts.c.origin.in_(["file", "sandbox"]), _is_one_of([key for _, key in configured]))
            )
        )
    }
    fresh = [row for row in rows if not _same(before.get((row["source_system"], row["partition_key"])), row)]
    if fresh:
        _configure(connection, fresh)
    gone = [
        key
        for key, row in before.items()
        if key not in configured and row.origin != "import" and row.state != "retired"
    ]
    for source_system in {source for source, _ in gone}:
        keys = [key for system, key in gone if system == source_system]
        _set_retired(connection, source_system, keys, by="file")
    added = sum((row["source_system"], row["partition_key"]) not in before for row in fresh)
    followed = _follow_the_file(connection, settings)
    return RosterChange(added=added, changed=len(fresh) - added + followed, retired=len(gone))


def _configure(connection: sa.Connection, rows: Sequence[dict[str, object]]) -> None:
    """Write accounts as the accounts file has them; those that it retired come back."""
    upsert = insert(accounts)
    settable = ("source_account", "time_zone", "currency", "origin")
    kept_retired = sa.and_(accounts.c.state == "retired", accounts.c.retired_by == "command")  # may be forgotten
    comes_back = sa.and_(accounts.c.state == "retired", accounts.c.retired_by.is_distinct_from("command"))
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["source_system", "partition_key"],
            set_={
                **{name: upsert.excluded[name] for name in settable},
                "display_name": sa.case((kept_retired, accounts.c.display_name), else_=upsert.excluded.display_name),
                "state": sa.case((comes_back, "active"), else_=accounts.c.state),
                "retired_at": sa.case((comes_back, sa.null()), else_=accounts.c.retired_at),
                "retired_by": sa.case((comes_back, sa.null()), else_=accounts.c.retired_by),
            },
        ),
        rows,
    )


def _set_retired(connection: sa.Connection, source_system: str, keys: Sequence[str], *, by: str) -> None:
    connection.execute(
        sa.update(accounts)
        .where(accounts.c.source_system == source_system, _is_one_of(keys))
        .values(state="retired", retired_at=sa.func.coalesce(accounts.c.retired_at, sa.func.now()), retired_by=by)
    )


def _follow_the_file(connection: sa.Connection, settings: Settings) -> int:
    """Give imported accounts the time zone and currency of the store or programme in the accounts file."""
    described: dict[tuple[str, str], tuple[str, str]] = {
        (system, getattr(source, kind.source_name)): (source.time_zone, source.currency)
        for system, kind in KINDS.items()
        for source in getattr(getattr(settings.accounts, system), kind.sources)
    }
    columns = (accounts.c.source_system, accounts.c.source_account, accounts.c.time_zone, accounts.c.currency)
    found = connection.execute(sa.select(*columns).where(accounts.c.origin == "import").distinct()).all()
    stale = {
        (row.source_system, row.source_account)
        for row in found
        if (row.time_zone, row.currency)
        != described.get((row.source_system, row.source_account), (row.time_zone, row.currency))
    }
    return sum(relocate(connection, *source, *described[source]) for source in stale)


def relocate(connection: sa.Connection, source_system: str, source_account: str, time_zone: str, currency: str) -> int:
    """Give the imported accounts of a store or programme its time zone and currency; return how many differed."""
    moved = connection.execute(
        sa.update(accounts)
        .where(
            accounts.c.source_system == source_system,
            accounts.c.source_account == source_account,
            accounts.c.origin == "import",
            sa.tuple_(accounts.c.time_zone, accounts.c.currency)
            != sa.tuple_(sa.literal(time_zone), sa.literal(currency)),
        )
        .values(time_zone=time_zone, currency=currency)
    )
    return moved.rowcount


def _is_one_of(keys: Sequence[str]) -> sa.ColumnElement[bool]:
    # One array parameter: a list of thousands of parameters would exceed the protocol's limit.
    return accounts.c.partition_key == sa.any_(sa.bindparam(None, list(keys), type_=ARRAY(sa.Text)))


def _origin(settings: Settings) -> str:
    return "sandbox" if settings.is_sandbox else "file"


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
    if before is None or (before.state == "retired" and before.retired_by != "command"):
        return False
    names = ["source_account", "time_zone", "currency", "origin"]
    if before.state != "retired":
        names.append("display_name")
    return all(getattr(before, name) == row[name] for name in names)


def foreign_origin(connection: sa.Connection, settings: Settings) -> int:
    """Return how many accounts of the other kind (sandbox or real) this database knows.

    Configured ones count once they brought orders; imported ones at once, since they would be crawled.
    """
    has_crawls = (
        sa.exists()
        .where(crawls.c.source_system == accounts.c.source_system, crawls.c.partition_key == accounts.c.partition_key)
        .correlate(accounts)
    )
    is_foreign = sa.and_(accounts.c.origin == ("file" if settings.is_sandbox else "sandbox"), has_crawls)
    if settings.is_sandbox:
        is_foreign = sa.or_(is_foreign, accounts.c.origin == "import")
    return int(connection.execute(sa.select(sa.func.count()).select_from(accounts).where(is_foreign)).scalar_one())


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
    """An account and how its latest crawl ended (nulls if it was never crawled).

    `state` is `new` for an account that is configured and not yet in the database. `retired_by` is `file` (it left
    the accounts file) or `command`. `resume_at`: of a parked account, when it may be asked again.
    """

    source_system: str
    partition_key: str
    state: str
    origin: str
    time_zone: str
    currency: str
    retired_at: datetime | None = None
    retired_by: str | None = None
    finished_at: datetime | None = None
    status: str | None = None
    reason: str | None = None
    resume_at: datetime | None = None


def overview(connection: sa.Connection, settings: Settings, *, state: str | None = None) -> list[AccountOverview]:
    """Return every account of the database with its latest crawl, then the configured ones that are new.

    `state`: only accounts in this state.
    """
    latest = (
        sa.select(crawls)
        .where(crawls.c.source_system == accounts.c.source_system, crawls.c.partition_key == accounts.c.partition_key)
        .order_by(crawls.c.crawl_id.desc())
        .limit(1)
        .lateral("latest")
    )
    names = (
        "source_system", "partition_key", "state", "origin", "time_zone", "currency", "retired_at", "retired_by",
    )  # fmt: skip
    is_parked = latest.c.status == "parked"
    query = (
        sa.select(
            *(accounts.c[name] for name in names),
            latest.c.finished_at,
            latest.c.status,
            latest.c.reason,
            sa.case((is_parked, latest.c.resume_at)).label("resume_at"),
        )
        .outerjoin(latest, sa.true())
        .order_by(accounts.c.source_system.desc(), accounts.c.partition_key)
    )
    known = [AccountOverview(**row) for row in connection.execute(query).mappings()]
    keys = {(row.source_system, row.partition_key) for row in known}
    new = [
        AccountOverview(a.source_system, a.partition_key, "new", _origin(settings), a.time_zone, a.currency)
        for a in settings.roster()
        if (a.source_system, a.partition_key) not in keys
    ]
    return [row for row in known + new if state in {None, row.state}]


def states(connection: sa.Connection, settings: Settings) -> dict[tuple[SourceSystem, str], str]:
    """Return the state of every account by source and partition key; configured ones not yet known are `new`."""
    configured: dict[tuple[SourceSystem, str], str] = {
        (account.source_system, account.partition_key): "new" for account in settings.roster()
    }
    query = sa.select(accounts.c.source_system, accounts.c.partition_key, accounts.c.state)
    known = {(row.source_system, row.partition_key): row.state for row in connection.execute(query)}
    return configured | known


def find(
    known: Collection[tuple[SourceSystem, str]], key: str, source_system: SourceSystem | None = None
) -> list[SourceSystem]:
    """Return the sources that have an account with this partition key, among the known ones (see `states`).

    Raises:
        SettingsError: there is none; the message names keys that are spelled alike.
    """
    candidates = [(source, name) for source, name in known if source_system in {None, source}]
    found = [source for source, name in candidates if name == key]
    if not found:
        near = difflib.get_close_matches(key, [name for _, name in candidates], n=3)
        where = "" if source_system is None else f" of {source_system}"
        advice = f"did you mean {' or '.join(near)}?" if near else "see: order-assets accounts list"
        raise SettingsError(f"there is no account {key}{where}; {advice}")
    return found


@dataclass(frozen=True, slots=True)
class StateChange:
    """An account whose state a person changed, or found as wanted (`state_before` equals `state`)."""

    source_system: SourceSystem
    partition_key: str
    state_before: str
    state: str


def retire(
    connection: sa.Connection, settings: Settings, key: str, *, source_system: SourceSystem | None = None
) -> StateChange:
    """Stop crawling an account until it is brought back, whatever the accounts file says. Its history stays.

    Raises:
        SettingsError: no such account, or both sources have one and `source_system` is not given.
    """
    source, before = _the_account(connection, settings, key, source_system)
    if before == "new":
        _configure(
            connection,
            [
                _row(account, _origin(settings))
                for account in settings.roster()
                if (account.source_system, account.partition_key) == (source, key)
            ],
        )
    _set_retired(connection, source, [key], by="command")
    return StateChange(source, key, before, "retired")


def bring_back(
    connection: sa.Connection, settings: Settings, key: str, *, source_system: SourceSystem | None = None
) -> StateChange:
    """Make a retired account active again; one that is not retired is left as it is.

    Raises:
        SettingsError: as for `retire`; or the account was configured in the accounts file and is there no longer.
    """
    source, before = _the_account(connection, settings, key, source_system)
    if before != "retired":
        return StateChange(source, key, before, before)
    mine = sa.and_(accounts.c.source_system == source, accounts.c.partition_key == key)
    origin = connection.execute(sa.select(accounts.c.origin).where(mine)).scalar_one()
    is_configured = any((a.source_system, a.partition_key) == (source, key) for a in settings.roster())
    if origin != "import" and not is_configured:
        raise SettingsError(f"{key} is not in the accounts file any more; add it there again, or import it")
    connection.execute(sa.update(accounts).where(mine).values(state="active", retired_at=None, retired_by=None))
    return StateChange(source, key, before, "active")


def _the_account(
    connection: sa.Connection, settings: Settings, key: str, source_system: SourceSystem | None
) -> tuple[SourceSystem, str]:
    """Return the source and the state of the one account that is meant."""
    known = states(connection, settings)
    sources = find(known, key, source_system)
    if len(sources) > 1:
        raise SettingsError(f"scalev and ktsp both have an account {key}; add --source scalev or --source ktsp")
    return sources[0], known[sources[0], key]


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

"""Checks of the database: server, schema, keys and rules it was filled with, clock, and what the ledger says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from order_assets import runtime
from order_assets import settings as configuration
from order_assets.accounts_file import AccountsFile, SettingsError
from order_assets.crawl.encryption import DecryptionError, Vault
from order_assets.crawl.installation import fingerprint
from order_assets.doctor.finding import Finding, ok, problem, warning
from order_assets.warehouse import embedded
from order_assets.warehouse.engine import WarehouseError, connect, schema_state
from order_assets.warehouse.ledger_schema import accounts, crawls, installation, page_keys
from order_assets.warehouse.sql import statement

_LATE, _VERY_LATE = timedelta(seconds=5), timedelta(minutes=2)
_NTP = "set this machine's clock by NTP (e.g. timedatectl set-ntp true): ages, waits and end of tokens go by it"
_BY_STATE = {
    "needs_sign_in": "put new tokens into the accounts file or import them, then: order-assets run --failed-only",
    "not_found": "correct their names, or stop crawling them: order-assets accounts retire KEY",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """The database, if it could be opened. `data`: where an embedded server keeps it."""

    engine: sa.Engine | None
    data: Path | None
    findings: list[Finding]


def opened(state: Path) -> Opened:
    """Open the database in use; the embedded server is started if it was used before, and never made."""
    data = None
    is_own = configuration.configured_database_url() is None
    try:
        if is_own:
            found = embedded.status(state)
            data = found.data
            if not data.exists():
                return Opened(None, data, [ok("database", "the embedded PostgreSQL is made by the first run")])
        engine = connect(runtime.database_url().get_secret_value())
    except (WarehouseError, embedded.EmbeddedServerError) as error:
        remedy = (
            "order-assets db start says more; the server's log is in the state folder, in postgres/log"
            if is_own
            else "start or upgrade that server, or correct host, user, password and database of"
            " ORDER_ASSETS_DATABASE_URL"
        )
        return Opened(None, data, [problem("database", str(error), remedy)])
    except SettingsError as error:
        return Opened(None, data, [problem("database", str(error), "correct the configuration first")])
    with engine.connect() as connection:
        version = connection.execute(sa.text("show server_version")).scalar_one()
    return Opened(engine, data, [ok("database", f"PostgreSQL {version} answers")])


def schema(engine: sa.Engine) -> Finding:
    """Compare the schema with what this release expects."""
    state = schema_state(engine)
    if state.current == state.head:
        return ok("schema", f"at {state.head}, as this release expects")
    if not state.is_known:
        return problem(
            "schema", f"at {state.current}, which this release does not know", "install the release that made it"
        )
    with engine.connect() as connection:
        may = connection.execute(sa.text("select has_database_privilege(current_database(), 'create')")).scalar_one()
    if not may:
        return problem(
            "schema", "this user may not create schemas in the database",
            "let its owner say: grant create on database ... to ...",
        )  # fmt: skip
    if state.current is None:
        return ok("schema", "not made yet; the first run does")
    return warning(
        "schema", f"at {state.current}, and this release is at {state.head}",
        "the next command migrates it; make a backup first, and stop processes of the older release",
    )  # fmt: skip


def is_current(engine: sa.Engine) -> bool:
    """Whether the ledger can be read by this release."""
    state = schema_state(engine)
    return state.current == state.head


def clock(engine: sa.Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Finding:
    """Compare this machine's clock with the database's."""
    before = now()
    with engine.connect() as connection:
        theirs = connection.execute(sa.text("select clock_timestamp()")).scalar_one()
    return skew("clock", "the database", theirs - (before + (now() - before) / 2))


def skew(check: str, whose: str, difference: timedelta) -> Finding:
    """Judge the difference between two clocks."""
    side = "behind" if difference > timedelta() else "before"
    words = f"this machine's clock is {abs(difference.total_seconds()):,.0f} s {side} that of {whose}"
    if abs(difference) <= _LATE:
        return ok(check, f"agrees with that of {whose}")
    return problem(check, words, _NTP) if abs(difference) > _VERY_LATE else warning(check, words, _NTP)


def is_filled(engine: sa.Engine) -> bool:
    """Whether the database remembers keys it was filled with."""
    with engine.connect() as connection:
        return bool(connection.execute(sa.select(sa.func.count()).select_from(installation)).scalar_one())


def fitting_keys(engine: sa.Engine, state: Path) -> Iterator[Finding]:
    """Look whether the keys are those the database was filled with. Only where keys are there: makes none."""
    names = {"hmac_key": "ORDER_ASSETS_HMAC_KEY", "encryption_key": "ORDER_ASSETS_ENCRYPTION_KEY"}
    if any(not os.environ.get(name) and not (state / "keys" / file).is_file() for file, name in names.items()):
        return
    keys = configuration.load_keys(state)
    with engine.connect() as connection:
        known = connection.execute(
            sa.select(installation.c.value).where(installation.c.name == "hmac_key_sha256")
        ).scalar_one_or_none()
        wrapped = connection.execute(sa.select(page_keys.c.wrapped_key).limit(1)).scalar_one_or_none()
    if known is not None and known != fingerprint(keys):
        yield problem(
            "keys", "the pseudonym key is not the one the database was filled with",
            "set ORDER_ASSETS_HMAC_KEY (or keys/hmac_key in the state folder) to that one, or use an empty database",
        )  # fmt: skip
    try:
        if wrapped is not None:
            Vault(keys.encryption).open(wrapped)
    except DecryptionError as error:
        yield problem("keys", str(error), "without the old key the raw pages cannot be read any more")
    else:
        if known is not None:
            yield ok("keys", "those the database was filled with")


def configured(engine: sa.Engine | None, file: AccountsFile | None) -> Iterator[Finding]:
    """Look whether there is anybody to crawl, and whether real orders and the sandbox's are apart."""
    is_sandbox = configuration.accounts_path() is None
    listed = 0
    if file is not None:
        listed = sum(len(s.customers) for s in file.scalev.stores) + sum(len(p.members) for p in file.ktsp.programmes)
    origins: dict[str, int] = {}
    if engine is not None:
        query = sa.select(accounts.c.origin, sa.func.count()).where(accounts.c.state != "retired")
        with engine.connect() as connection:
            origins = {row.origin: row[1] for row in connection.execute(query.group_by(accounts.c.origin))}
    imported = origins.get("import", 0)
    if file is not None and not listed + imported:
        yield problem(
            "accounts", "no customer and no member is configured or imported",
            "order-assets init writes an accounts file by asking; accounts import FILE takes thousands",
        )  # fmt: skip
    elif file is not None:
        yield ok("accounts", f"{listed:,} in the accounts file, {imported:,} imported")
    real = origins.get("file", 0) + imported
    if (is_sandbox and real) or (origins.get("sandbox", 0) and real):
        yield problem(
            "accounts", "this database holds both real orders and those of the sandbox, or is about to",
            "write accounts.toml, or point ORDER_ASSETS_DATABASE_URL to an empty database",
        )  # fmt: skip


def verdicts(engine: sa.Engine) -> Iterator[Finding]:
    """Say how the last crawls of the accounts ended."""
    with engine.connect() as connection:
        rows = connection.execute(statement("doctor/verdicts")).all()
    total = sum(row.accounts for row in rows)
    if not total:
        return
    for row in rows:
        if row.status == "complete" and row.state == "active":
            continue
        words = f"{row.accounts:,} of {total:,} accounts: {row.status} {row.reason}".rstrip() + f", e.g. {row.example}"
        remedy = _BY_STATE.get(row.state, "order-assets run --failed-only; why: order-assets accounts list")
        is_new = row.status == "never crawled" and row.state == "active"
        yield warning("verdicts", words, "order-assets run") if is_new else problem("verdicts", words, remedy)
    if all(row.status == "complete" and row.state == "active" for row in rows):
        yield ok("verdicts", f"the last crawls of all {total:,} accounts are complete")


def freshness(engine: sa.Engine, stale_hours: float, now: datetime) -> Iterator[Finding]:
    """Say whether crawls still happen at all."""
    with engine.connect() as connection:
        newest = connection.execute(sa.select(sa.func.max(crawls.c.finished_at))).scalar_one()
    if newest is not None and now - newest > timedelta(hours=stale_hours):
        hours = (now - newest) / timedelta(hours=1)
        yield warning(
            "freshness", f"nothing was crawled for {hours:,.0f} hours",
            "order-assets run; or switch on the schedule refresh_orders_hourly in the UI (order-assets dev)",
        )  # fmt: skip

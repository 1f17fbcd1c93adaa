"""Connections: one URL in, the right dialect for each user of it out; and the migrations that a connection needs.

Which server the URL points to (configured or embedded) is decided in `settings` and `embedded`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

DAGSTER_SCHEMA = "dagster"
OLDEST_SERVER = 15
STATEMENTS_AT_ONCE = 2  # of those that read whole tables; more gain nothing on a small server
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_205_101  # any number; the same for all processes that migrate
AT_WORK_LOCK = 7_205_105  # shared by runs at work (`presence`); who migrates needs it alone
_PATIENCE_SECONDS = 60.0  # of a migration, with runs at work and with whoever reads or writes a table it changes
_IDLE_SECONDS = 0.1  # after which a kept connection is asked whether it still is one; no server restarts in less
_TIMED_OUT = "55P03"
_NO_CONNECTION = "08"
# Classes of SQLSTATE: no connection, no resources (disk, memory, connections), an operator's doing (shut down, a
# statement's time-out), the server's files.
_SERVER_CLASSES = {_NO_CONNECTION, "53", "57", "58"}


class WarehouseError(RuntimeError):
    """The database cannot be used; the message names the place and the remedy, never the password."""


def warehouse_url(url: str) -> sa.URL:
    """Return the URL for our own connections: psycopg 3, whichever PostgreSQL scheme the user wrote."""
    try:
        parsed = sa.make_url(url.strip().replace("postgres://", "postgresql://", 1))
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise WarehouseError(
            "ORDER_ASSETS_DATABASE_URL is not a URL; write postgresql://user:password@host/db"
        ) from None
    if "@" in (parsed.host or ""):
        raise WarehouseError("ORDER_ASSETS_DATABASE_URL: write @ : / in the password as %40 %3A %2F")
    if parsed.get_backend_name() != "postgresql":
        raise WarehouseError(f"ORDER_ASSETS_DATABASE_URL names {parsed.get_backend_name()}; it must be PostgreSQL")
    return parsed.set(drivername="postgresql+psycopg")


def place_of(url: str) -> str:
    """Return where a URL points to, made anew: user, password and the query part, which may hold one too, left out."""
    parsed = warehouse_url(url)
    return sa.URL.create("postgresql", host=parsed.host, port=parsed.port, database=parsed.database).render_as_string()


def trouble(error: BaseException) -> str | None:
    """Say in a line what is wrong with the server or the connection; None if `error` comes of something else.

    Errors of the data are something else, as their messages quote rows.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        said = cause.orig if isinstance(cause, sa.exc.DBAPIError) else cause
        if isinstance(cause, sa.exc.DBAPIError | psycopg.Error):  # COPY is psycopg's own
            state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None) or _NO_CONNECTION
            if state[:2] in _SERVER_CLASSES:
                return " ".join(str(said).split()) or type(said).__name__
        cause = cause.__cause__ or cause.__context__
    return None


def dagster_url(url: str) -> str:
    """Return the URL for Dagster's storage: psycopg2 (all dagster-postgres speaks), in a schema of its own."""
    parsed = warehouse_url(url).set(drivername="postgresql+psycopg2")
    return parsed.update_query_dict({"options": f"-csearch_path={DAGSTER_SCHEMA}"}).render_as_string(
        hide_password=False
    )


def connect(url: str) -> sa.Engine:
    """Return an engine whose sessions run in UTC.

    Raises:
        WarehouseError: the server cannot be reached, or is older than PostgreSQL 15.
    """
    parsed = warehouse_url(url)
    engine = sa.create_engine(
        parsed,
        hide_parameters=True,  # parameters are rows, and errors are logged
        pool_size=4,
        max_overflow=8,
        connect_args={"options": "-ctimezone=UTC", "connect_timeout": 10, "application_name": "order-assets"},
    )
    replace_the_dead(engine, _is_alive)
    place = place_of(url)
    try:
        with engine.connect() as connection:
            version = connection.execute(
                sa.text("select current_setting('server_version_num')::int / 10000")
            ).scalar_one()
    except sa.exc.DBAPIError as error:
        reason = " ".join(str(error.orig).split()) or "no reason given"
        raise WarehouseError(f"cannot connect to {place}: {reason}") from None
    if version < OLDEST_SERVER:
        raise WarehouseError(f"{place} is PostgreSQL {version}; Order Assets needs {OLDEST_SERVER} or newer")
    return engine


def replace_the_dead(pool: sa.Engine | type[sa.Pool], is_alive: Callable[[Any], bool]) -> None:
    """Have kept connections that the server or the network dropped while they were idle replaced by new ones.

    To ask before each use, as SQLAlchemy can, would double the round trips of a crawl, which takes a connection as
    often as a page comes.
    """

    def note_the_time(_connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["idle since"] = time.monotonic()

    def look(connection: object, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:
        idle = time.monotonic() - record.info.get("idle since", math.inf)
        if idle > _IDLE_SECONDS and not is_alive(connection):
            raise sa.exc.DisconnectionError

    sa.event.listen(pool, "checkin", note_the_time)
    sa.event.listen(pool, "checkout", look)


def _is_alive(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("")
        connection.rollback()
    except psycopg.Error:
        return False
    return True


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Revision of a database (None: it was never migrated), that of this release, and whether it knows the former."""

    current: str | None
    head: str | None
    is_known: bool


def schema_state(engine: sa.Engine) -> SchemaState:
    """Compare a database with this release; changes nothing."""
    with engine.connect() as connection:
        current = _revision(connection)
    return SchemaState(current, _release().head, current is None or current in _release().revisions)


def migrate(engine: sa.Engine) -> None:
    """Bring the schemas up to date; cheap when they are. Several processes may call it at once.

    Runs at work are waited for, since they know no other schema than the one they began with.

    Raises:
        WarehouseError: the database was migrated by a newer release of Order Assets, needs a migration that this
            login may not make, or one that others at work do not let it make.
    """
    try:
        _migrate(engine)
    except sa.exc.DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state == _TIMED_OUT:
            raise WarehouseError(
                f"the database needs a migration, and {_at_work(engine)}; wait until that has ended, or stop it, and"
                " try again. Nothing was changed"
            ) from None
        if state == "42501":  # insufficient privilege
            raise WarehouseError(
                "the database needs a migration, and this login may not make it; run any command once with the login"
                " that owns the tables, e.g.: order-assets db roles"
            ) from None
        raise


def _migrate(engine: sa.Engine) -> None:
    release = _release()
    with engine.begin() as connection:
        if _revision(connection) == release.head:
            return
        connection.execute(_LOCK, {"key": _MIGRATION_LOCK})
        current = _revision(connection)
        if current == release.head:
            return
        if current is not None and current not in release.revisions:
            raise WarehouseError(
                f"the database is at schema {current}, which this release does not know; install the newer release"
            )
        connection.execute(_WAIT_AT_MOST, {"time": f"{_PATIENCE_SECONDS * 1000:.0f}ms"})
        connection.execute(_LOCK, {"key": AT_WORK_LOCK})
        for schema in ("marts", "ops", "raw", DAGSTER_SCHEMA):
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, release.head)


_LOCK = sa.text("select pg_advisory_xact_lock(:key)")
_WAIT_AT_MOST = sa.text("select set_config('lock_timeout', :time, true)")
_HOLDERS = sa.text("""
    select format('%s since %s UTC (server process %s)', a.application_name, to_char(a.backend_start, 'HH24:MI'), a.pid)
    from pg_locks as l
    inner join pg_stat_activity as a using (pid)
    where l.locktype = 'advisory' and l.objid = :key and l.granted and a.datname = current_database()
    order by a.backend_start
""")


def _at_work(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        found = list(connection.execute(_HOLDERS, {"key": AT_WORK_LOCK}).scalars())
    return f"at work in it is {', '.join(found)}" if found else "somebody is reading or writing a table that it changes"


@dataclass(frozen=True, slots=True)
class _Release:
    """Schemas that the code of this process knows."""

    head: str
    revisions: frozenset[str]


def _release() -> _Release:
    return _release_of(_MIGRATIONS)


@cache  # files of a newer release that replaced those of a process that lives on are not of its release
def _release_of(folder: Path) -> _Release:
    scripts = ScriptDirectory(str(folder))
    head = scripts.get_current_head()
    assert head is not None  # noqa: S101 - there is a first release
    return _Release(head, frozenset(script.revision for script in scripts.walk_revisions()))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _revision(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": "ops"})
    return context.get_current_revision()

"""Database roles: `order_assets_writer` for the processes of this project, `order_assets_reader` for who reads numbers.

Group roles without a login: people and programs get logins of their own and are made members. Here is what each may
see; the tables are in the schema files.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from order_assets.warehouse.engine import DAGSTER_SCHEMA, WarehouseError

WRITER, READER = "order_assets_writer", "order_assets_reader"
PUBLISHED = ("marts", "reporting")
"""Schemas without secrets and personal data: tables, and views for analysts. One that is not there is left out."""
WRITTEN = ("raw", "ops", *PUBLISHED, DAGSTER_SCHEMA)


def provide(engine: sa.Engine) -> None:
    """Make both roles, or bring them up to date, in the engine's database; in one transaction.

    Whoever does so must own the tables and may create roles. What they create later in these schemas, a newer
    release's migrations included, is granted by itself.

    Raises:
        WarehouseError: the login may not do that.
    """
    try:
        with engine.begin() as connection:
            for statement in _statements(connection):
                connection.execute(sa.text(statement))
    except sa.exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":  # insufficient privilege
            raise
        reason = " ".join(str(error.orig).split())
        raise WarehouseError(
            f"this login may not provide roles ({reason}); use the one that owns the tables, with CREATEROLE"
        ) from None


def _statements(connection: sa.Connection) -> Iterator[str]:
    quote = connection.dialect.identifier_preparer.quote
    # Two that do this at once would collide in the server's catalogue of roles.
    yield "select pg_advisory_xact_lock(7205104)"
    known = set(connection.execute(sa.text("select rolname from pg_roles")).scalars())
    for role in (WRITER, READER):
        if role not in known:
            yield f"create role {role} nologin"
    there = set(connection.execute(sa.text("select nspname from pg_namespace")).scalars())
    database = quote(connection.execute(sa.text("select current_database()")).scalar_one())
    yield f"grant connect, temporary on database {database} to {WRITER}"
    yield f"grant connect on database {database} to {READER}"
    for schema in (name for name in WRITTEN if name in there):
        yield from _granted(schema, WRITER, "select, insert, update, delete", "usage, select, update")
        if schema in PUBLISHED:
            yield from _granted(schema, READER, "select")
        else:
            for what in ("schema", "all tables in schema", "all sequences in schema"):
                yield f"revoke all on {what} {schema} from {READER}"


def _granted(schema: str, role: str, tables: str, sequences: str = "") -> Iterator[str]:
    """Grant on what is there, and on what comes later."""
    yield f"grant usage on schema {schema} to {role}"
    for kind, rights in (("tables", tables), ("sequences", sequences)):
        if rights:
            yield f"grant {rights} on all {kind} in schema {schema} to {role}"
            yield f"alter default privileges in schema {schema} grant {rights} on {kind} to {role}"

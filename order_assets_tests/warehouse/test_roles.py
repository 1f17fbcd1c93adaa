"""The roles of the database, with real logins: who reads numbers reads nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from order_assets.sandbox.world import World
from order_assets.warehouse import roles
from order_assets.warehouse.engine import WarehouseError, connect, migrate
from order_assets_tests.warehouse.logins import login
from order_assets_tests.warehouse.parts import SPEC, load_world


@pytest.fixture
def reader(engine: sa.Engine) -> Iterator[sa.Engine]:
    """Connections of an analyst."""
    roles.provide(engine)
    made = connect(login(engine, roles.READER))
    yield made
    made.dispose()


def _may(engine: sa.Engine, statement: str) -> bool:
    """Whether a login may do it; anything else that goes wrong is an error."""
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
    except sa.exc.ProgrammingError as error:
        if "permission denied" not in str(error):
            raise
        return False
    return True


def _tables(engine: sa.Engine, schema: str) -> list[str]:
    query = "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = :schema"
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query), {"schema": schema}).scalars())


def test_a_reader_sees_every_mart_and_nothing_else(engine: sa.Engine, reader: sa.Engine) -> None:
    """Without it, whoever looks at revenue could copy tokens and pages, or change the numbers."""
    load_world(engine, World(SPEC))
    with engine.begin() as connection:
        connection.execute(sa.text("create table dagster.event_logs (event text)"))
    roles.provide(engine)
    for table in _tables(engine, "marts"):
        assert _may(reader, f"select * from {table} limit 1"), table  # noqa: S608 - names of the catalogue
        assert not _may(reader, f"delete from {table}"), table  # noqa: S608 - names of the catalogue
    hidden = [table for schema in ("raw", "ops", "dagster") for table in _tables(engine, schema)]
    assert {"raw.order_pages", "ops.credentials", "ops.page_keys", "ops.sources", "dagster.event_logs"} <= set(hidden)
    for table in hidden:
        assert not _may(reader, f"select * from {table} limit 1"), table  # noqa: S608 - names of the catalogue
    assert not _may(reader, "create table marts.mine (n int)")
    with reader.connect() as connection:
        assert connection.execute(sa.text("select count(*) from marts.order_facts")).scalar_one() > 0


def test_what_comes_later_is_granted_too(engine: sa.Engine, reader: sa.Engine) -> None:
    """Without it, the tables of the next release would be missing for analysts until somebody complains."""
    with engine.begin() as connection:
        connection.execute(sa.text("create table marts.later (n int)"))
        connection.execute(sa.text("create view marts.shown as select n from marts.later"))
        connection.execute(sa.text("create table ops.later (n int)"))
        connection.execute(sa.text("create sequence ops.later_numbers"))
        connection.execute(sa.text("create schema if not exists reporting"))
    roles.provide(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("create view reporting.words as select n from ops.later"))
    assert _may(reader, "select * from marts.later")
    assert _may(reader, "select * from marts.shown")
    assert _may(reader, "select * from reporting.words"), "a view shows what its owner wants shown"
    assert not _may(reader, "select * from ops.later")
    writer = connect(login(engine, roles.WRITER))
    assert _may(writer, "insert into ops.later values (1)")
    assert _may(writer, "select nextval('ops.later_numbers')")
    writer.dispose()


def test_a_right_too_many_is_taken_back(engine: sa.Engine, reader: sa.Engine) -> None:
    """Without it, a grant made in a hurry would outlive every upgrade."""
    with engine.begin() as connection:
        connection.execute(sa.text(f"grant usage on schema ops to {roles.READER}"))
        connection.execute(sa.text(f"grant select on all tables in schema ops to {roles.READER}"))
    assert _may(reader, "select * from ops.credentials")
    roles.provide(engine)
    assert not _may(reader, "select * from ops.credentials")


def test_who_may_not_is_told(engine: sa.Engine, reader: sa.Engine) -> None:
    """Without it, the wrong login would end in a traceback instead of a hint to the right one."""
    with pytest.raises(WarehouseError, match="use the one that owns the tables"):
        roles.provide(reader)
    writer = connect(login(engine, roles.WRITER))
    migrate(writer)  # nothing to do
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.alembic_version set version_num = '0001'"))
    with pytest.raises(WarehouseError, match="needs a migration, and this login may not"):
        migrate(writer)
    writer.dispose()

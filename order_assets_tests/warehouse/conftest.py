"""Databases of other kinds than the migrated, empty one: without a schema, and with the facts of a small world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
import sqlalchemy as sa

from order_assets.sandbox.world import World
from order_assets.warehouse import summaries
from order_assets.warehouse.engine import connect
from order_assets_tests.warehouse.parts import SPEC, load_world, summarise_all

_numbers = count(1)


@contextmanager
def _database(server: str, *, template: str | None) -> Iterator[str]:
    """Make a database, empty or a copy of another on the server, and drop it afterwards."""
    name = f"warehouse_{next(_numbers)}"
    url = sa.make_url(server)
    admin = sa.create_engine(
        url.set(drivername="postgresql+psycopg", database="postgres"),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
    )
    with admin.connect() as connection:
        connection.execute(sa.text(f"create database {name} template {template or 'template1'} strategy file_copy"))
    yield url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.text(f"drop database {name} with (force)"))


@pytest.fixture
def empty_url(template: str) -> Iterator[str]:
    """URL of a database without any of our schemas."""
    with _database(template, template=None) as url:
        yield url


@pytest.fixture
def empty_engine(empty_url: str) -> Iterator[sa.Engine]:
    """An engine on the empty database."""
    engine = sa.create_engine(sa.make_url(empty_url).set(drivername="postgresql+psycopg"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="package")
def small_world(template: str) -> Iterator[str]:
    """URL of a database with the facts and summaries of a small world, to be copied."""
    with _database(template, template=sa.make_url(template).database) as url:
        engine = connect(url)
        load_world(engine, World(SPEC))
        summarise_all(engine)
        engine.dispose()
        yield url


@pytest.fixture
def followed(small_world: str) -> Iterator[sa.Engine]:
    """An engine on a copy of the small world's facts and summaries."""
    with _database(small_world, template=sa.make_url(small_world).database) as url:
        engine = connect(url)
        yield engine
        engine.dispose()


@pytest.fixture
def reported(followed: sa.Engine) -> sa.Engine:
    """The same with every summary, those over all dates included: what analysts read."""
    with followed.begin() as connection:
        last = connection.execute(sa.text("select max(order_date) from marts.order_facts")).scalar_one()
        summaries.set_as_of(connection, last, "run-1")
        for table in summaries.WHOLE_TABLES:
            summaries.summarise_whole(connection, table, last, "run-1")
    return followed

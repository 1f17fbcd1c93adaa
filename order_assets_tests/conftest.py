"""Fixtures every folder shares: one real PostgreSQL for the session, one fresh, migrated database per test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_assets.warehouse import embedded
from order_assets.warehouse.engine import connect, migrate

_TEMPLATE = "template_of_tests"
_numbers = count(1)


@pytest.fixture(scope="session")
def server_state() -> Iterator[Path]:
    """State folder of the session's embedded server."""
    parent = Path(tempfile.mkdtemp(prefix="order-assets-tests-"))
    parent.chmod(0o755)  # as root the server runs under another account
    state = parent / "state"
    try:
        embedded.up(state, _TEMPLATE)
        yield state
    finally:
        embedded.down(state)
        location = state / "postgres" / "location"
        if location.exists():
            shutil.rmtree(location.read_text(encoding="utf-8"))
        shutil.rmtree(parent)


@pytest.fixture(scope="session")
def template(server_state: Path) -> str:
    """URL of a migrated database that tests copy instead of migrating anew."""
    url = embedded.up(server_state, _TEMPLATE)
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture
def database_url(template: str) -> Iterator[str]:
    """URL of a fresh, migrated, empty database."""
    name = f"test_{next(_numbers)}"
    admin = sa.create_engine(
        sa.make_url(template).set(drivername="postgresql+psycopg", database="postgres"),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
    )
    with admin.connect() as connection:
        connection.execute(sa.text(f"create database {name} template {_TEMPLATE} strategy file_copy"))
    yield sa.make_url(template).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.text(f"drop database {name} with (force)"))


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on the fresh database."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no configuration of the machine they run on, only what they set themselves."""
    for name in [name for name in os.environ if name.startswith(("ORDER_ASSETS_", "DAGSTER_"))]:
        monkeypatch.delenv(name)

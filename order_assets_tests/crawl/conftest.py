"""A sandbox and an installation of its own for every test: tests change the world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets_tests.crawl.parts import SPEC, Clock, Installation


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep keys in a folder of the test, and find no accounts file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.setenv("ORDER_ASSETS_STATE", str(tmp_path / "state"))


@pytest.fixture
def clock() -> Clock:
    """The sandbox's clock."""
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[RunningSandbox]:
    """Serve a small world."""
    with serve(SPEC, Options(clock=clock)) as running:
        yield running


@pytest.fixture
def installation(engine: sa.Engine, sandbox: RunningSandbox) -> Installation:
    """Everyone of the sandbox, configured."""
    return Installation.of(engine, sandbox)

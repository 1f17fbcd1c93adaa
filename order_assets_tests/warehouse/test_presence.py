"""Migrations and runs at work keep out of each other's way, whichever release each is of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_assets.warehouse import engine as warehouse
from order_assets.warehouse.engine import WarehouseError, migrate, schema_state
from order_assets.warehouse.presence import Presence
from order_assets_tests.crawl.crawling_process import until
from order_assets_tests.warehouse.parts import rows
from order_assets_tests.warehouse.releases import HEAD, NEWER, add_migration, migrate_by, release

_AT_WORK = """
import sys
from order_assets.warehouse.engine import connect
from order_assets.warehouse.presence import Presence

present = Presence(connect(sys.argv[1]), "run-7")
print("at work", flush=True)
sys.stdin.read()
"""
_WAITING = "select 1 from pg_locks where locktype = 'advisory' and not granted"


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Make this process one of a newer release, with that much patience in seconds."""
    folder = add_migration(release(tmp_path / "newer"))

    def become(patience: float) -> None:
        monkeypatch.setattr(warehouse, "_MIGRATIONS", folder)
        monkeypatch.setattr(warehouse, "_PATIENCE_SECONDS", patience)

    return become


@contextmanager
def at_work(url: str) -> Iterator[subprocess.Popen[str]]:
    """Lend a process with a run of this release."""
    command = [sys.executable, "-c", _AT_WORK, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            yield process
        finally:
            process.kill()


def test_a_migration_is_refused_while_a_run_is_at_work(
    database_url: str, engine: sa.Engine, newer: Callable[[float], None]
) -> None:
    """Without it, tables would change under a run of the older release. A killed run is in nobody's way."""
    with at_work(database_url) as process:
        newer(0.1)
        told = r"at work in it is order-assets run run-7 since \d\d:\d\d UTC \(server process \d+\); wait until"
        with pytest.raises(WarehouseError, match=told):
            migrate(engine)
        assert schema_state(engine).current == HEAD
        process.kill()
        newer(60)
        migrate(engine)
    assert schema_state(engine).current == NEWER


def test_a_migration_is_refused_while_somebody_uses_a_table(engine: sa.Engine, newer: Callable[[float], None]) -> None:
    """Without it, a backup that takes hours would make a start wait for hours, and not say why."""
    newer(0.1)
    with engine.connect() as connection:
        connection.execute(sa.text("select from ops.crawls"))
        with pytest.raises(WarehouseError, match="somebody is reading or writing a table that it changes"):
            migrate(engine)
    assert schema_state(engine).current == HEAD


def test_a_run_that_begins_during_a_migration_is_refused_after_it(engine: sa.Engine) -> None:
    """Without it, a daemon of the older release could start a run between the look at the schema and the work."""
    with ThreadPoolExecutor(1) as pool, engine.begin() as migrating:
        migrating.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": warehouse.AT_WORK_LOCK})
        run = pool.submit(Presence, engine, "run-8")
        until(lambda: rows(engine, _WAITING), "the run waits")
        migrating.execute(sa.text("update ops.alembic_version set version_num = :newer"), {"newer": NEWER})
        migrating.commit()
        with pytest.raises(WarehouseError, match="which this release does not know"):
            run.result()
    until(lambda: not rows(engine, "select 1 from pg_locks where locktype = 'advisory'"), "the server frees its locks")


def test_replaced_files_change_nothing_for_a_process_that_lives_on(
    database_url: str, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a code server that outlives `git pull` would migrate, and write into what it does not know."""
    folder = release(tmp_path / "installed")
    monkeypatch.setattr(warehouse, "_MIGRATIONS", folder)
    migrate(engine)
    add_migration(folder)
    migrate(engine)
    assert schema_state(engine).current == HEAD
    migrate_by(folder, database_url)
    with pytest.raises(WarehouseError, match=f"schema {NEWER}, which this release does not know"):
        migrate(engine)

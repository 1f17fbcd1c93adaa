"""A distributed installation on the loopback interface: Redis, Celery workers, a daemon, as deploy/README.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

ROOT = Path(__file__).resolve().parents[2]
_LONG = 420.0  # more than anything here takes, a call of Dagster's daemon to a code server that just ended included

ASSETS = {"scalev": "scalev_order_pages", "ktsp": "ktsp_order_pages"}
_LAUNCH = """
mutation($scalev: LaunchBackfillParams!, $ktsp: LaunchBackfillParams!) {
  scalev: launchPartitionBackfill(backfillParams: $scalev) { ... on LaunchBackfillSuccess { backfillId } }
  ktsp: launchPartitionBackfill(backfillParams: $ktsp) { ... on LaunchBackfillSuccess { backfillId } }
}
"""


def all_accounts(asset: str) -> dict[str, object]:
    """Return the parameters of a backfill over every partition of a raw asset."""
    return {"assetSelection": [{"path": ["raw", asset]}], "allPartitions": True}


def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait for what other processes do; `what` is the complaint if they never do."""
    deadline = time.monotonic() + _LONG
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def redis_server() -> str:
    """Return the program; without it, the test that needs it is skipped with a word of what to do."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    return found


@dataclass
class Cluster:
    """The processes; use as a context manager, at whose end all of them are gone.

    Attributes:
        env: of every process, as a user sets it.
        folder: logs, one per process.
    """

    env: Mapping[str, str]
    folder: Path
    _stack: ExitStack = field(default_factory=ExitStack)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Start Redis on a free port, with DAGSTER_HOME a copy of the folder that the page names."""
        home = self.folder / "home"
        home.mkdir()
        shutil.copy(ROOT / "deploy" / "celery" / "dagster.yaml", home)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        self.env = {
            **self.env,
            "DAGSTER_HOME": str(home),
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{port}/1",
        }
        self._start("redis", redis_server(), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(home))
        until(lambda: "Ready to accept connections" in self.log("redis"), lambda: self.log("redis"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything, the last one first."""
        self._stack.close()

    def worker(self, name: str) -> None:
        """Start a worker that executes one run at a time."""
        self._exec(
            name, "celery", "-A", "dagster_celery.app", "worker", "--hostname", f"{name}@%h", "--concurrency", "1",
            "--disable-prefetch", "--include", "order_assets.definitions", "--loglevel", "INFO",
        )  # fmt: skip

    def daemon(self) -> None:
        """Start the daemon, with a code server of its own."""
        self._exec("daemon", "dagster-daemon", "run", "--workspace", "workspace.yaml")

    def backfill(self) -> dict[str, str]:
        """Ask for every partition of the raw asset of each API; return the ids of the backfills."""
        variables = {source: all_accounts(name) for source, name in ASSETS.items()}
        return {source: given["backfillId"] for source, given in ask(self.env, _LAUNCH, variables).items()}

    def log(self, name: str) -> str:
        """Return what a process said so far."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def executed(self, worker: str) -> set[str]:
        """Return the tasks that a worker has executed, by the ids that their runs have as a tag."""
        return set(re.findall(r"Task execute_job\[(\S+)\] succeeded", self.log(worker)))

    def _exec(self, name: str, *words: str) -> None:
        self._start(name, *_OURS, "exec", *words)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - fixed words
                command, cwd=ROOT, env=dict(self.env), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self._processes[name] = process
        self._stack.callback(_end, process)

    def kill(self, name: str) -> None:
        """End a process with all it has started, as when its machine loses its power."""
        os.killpg(self._processes[name].pid, signal.SIGKILL)
        self._processes[name].wait()


_OURS = (sys.executable, "-m", "order_assets.cli")


def ask(env: Mapping[str, str], query: str, variables: Mapping[str, object]) -> dict[str, Any]:
    """Ask Dagster in GraphQL, as the UI does, without one that runs; return the data."""
    command = [
        *_OURS, "exec", "dagster-graphql", "--workspace", "workspace.yaml", "--text", query, "--variables",
        json.dumps(variables),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=dict(env), capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    answer = re.search(r'^\{"(?:data|errors)".*$', done.stdout, re.MULTILINE)
    assert answer, done.stdout + done.stderr
    data: dict[str, Any] = json.loads(answer[0])["data"]
    return data


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and see to it that nothing of its group is left."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

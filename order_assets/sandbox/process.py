"""The sandbox as a background process of this machine: started once, shared, and found again.

`<state>/sandbox/server.json` says where it is, `<state>/sandbox/server.log` what it said. One lock file makes
starting and stopping safe from several processes and threads.
"""

import atexit
import contextlib
import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from order_assets.sandbox.world import WorldSpec

_START_SECONDS = 60
_STOP_SECONDS = 10
_POLL_SECONDS = 0.02
_HTTP_OK = 200

# Children are kept to be reaped; a forgotten Popen would warn when collected.
_children: list[subprocess.Popen[bytes]] = []


@atexit.register
def _leave_running() -> None:
    """The servers outlive this process on purpose; Popen would warn about each."""
    for child in _children:
        if child.poll() is None:
            child.returncode = 0


class SandboxError(RuntimeError):
    """The sandbox could not be started or stopped; the message names the log."""


@dataclass(frozen=True)
class Status:
    """A sandbox that answers.

    Attributes:
        base_url: where.
        pid: its process.
        spec: what its world is made from, as JSON values.
    """

    base_url: str
    pid: int
    spec: dict[str, Any]


def start(state: Path, spec: WorldSpec | None = None, *, latency_ms: float = 0.0, access_seconds: int = 900) -> str:
    """Makes sure a sandbox of this world runs, and returns its base URL.

    A running one is used as it is if its world is the one asked for, else replaced. After a crash the same port
    is taken again where possible, and tokens handed out before stay good.

    Args:
        state: the state folder; the sandbox keeps to `<state>/sandbox`.
        spec: the world; the default one if None.
        latency_ms: added to every answer; only looked at when a server is started.
        access_seconds: life of access tokens; likewise.

    Raises:
        SandboxError: it does not come up.
    """
    wanted = spec or WorldSpec()
    with _locked(state) as folder:
        running = _ask(folder)
        if running is not None and running.spec == _plain(wanted):
            return running.base_url
        port = _remembered(folder).get("port", 0)
        if running is not None:
            _end(folder, running)
        flags = {**_plain(wanted), "latency_ms": latency_ms, "access_seconds": access_seconds, "port": port}
        return _spawn(folder, flags)


def stop(state: Path) -> bool:
    """Stops the sandbox of this state folder; False if none answers.

    Raises:
        SandboxError: it does not go away.
    """
    if not (state / "sandbox").is_dir():
        return False
    with _locked(state) as folder:
        running = _ask(folder)
        if running is None:
            return False
        _end(folder, running)
        return True


def status(state: Path) -> Status | None:
    """The sandbox that answers for this state folder, or None. Takes no lock."""
    return _ask(state / "sandbox")


def _plain(spec: WorldSpec) -> dict[str, Any]:
    return {**asdict(spec), "until": str(spec.until)}


@contextlib.contextmanager
def _locked(state: Path) -> Iterator[Path]:
    folder = state / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _remembered(folder: Path) -> dict[str, int]:
    try:
        known = json.loads((folder / "server.json").read_text())
        return {"pid": int(known["pid"]), "port": int(known["port"])}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _ask(folder: Path) -> Status | None:
    known = _remembered(folder)
    if not known:
        return None
    health = _health(known["port"])
    # Another program, or another sandbox, may have the port by now.
    if health is None or health.get("pid") != known["pid"]:
        return None
    return Status(f"http://127.0.0.1:{known['port']}", known["pid"], health["spec"])


def _health(port: int) -> dict[str, Any] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/sandbox/health")
        response = connection.getresponse()
        health = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return health if response.status == _HTTP_OK and isinstance(health, dict) else None


def _spawn(folder: Path, flags: dict[str, Any]) -> str:
    announce = folder / "server.json"
    command = [sys.executable, "-m", "order_assets.sandbox", "--announce", str(announce.absolute())]
    for name, value in flags.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with (folder / "server.log").open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _children.append(child)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        # Until the child has announced itself, the file speaks of a server that is gone.
        running = _ask(folder) if _remembered(folder).get("pid") == child.pid else None
        if running is not None:
            return running.base_url
        time.sleep(_POLL_SECONDS)
    child.kill()
    raise SandboxError(f"the sandbox did not start; see {folder / 'server.log'}")


def _end(folder: Path, running: Status) -> None:
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, wanted)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            for child in [child for child in _children if child.poll() is not None]:
                _children.remove(child)
            if _ask(folder) is None:
                return
            time.sleep(_POLL_SECONDS)
    raise SandboxError(f"the sandbox, process {running.pid}, does not stop")

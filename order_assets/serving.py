"""`order-assets dev`: Dagster's webserver and daemon as one child process on the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from order_assets.settings import project_folder

HOST = "127.0.0.1"
_PATIENCE_SECONDS = 30
_LEFTOVER_SECONDS = 5


class PortTakenError(RuntimeError):
    """Another program listens on the port."""


def serve(port: int, *, say: Callable[[str], None]) -> int:
    """Serve until Ctrl-C or the end of the child; return the exit code. The environment must be set.

    Raises:
        PortTakenError: before anything is started.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise PortTakenError(f"port {port} of {HOST} is taken; try: order-assets dev --port {port + 1}") from None
    workspace = Path(os.environ["DAGSTER_HOME"]) / "workspace.yaml"
    # 'dagster dev' announces its own successor ("Function `dev_command` ...") at every start; that one line is muted.
    # The daemon warns of cursors it has not set yet at its first start on a database; its errors are shown.
    command = [
        sys.executable, "-W", "ignore:Function", "-m", "dagster", "dev", "--host", HOST, "--port", str(port),
        "--workspace", str(workspace), "--log-level", "error", "--code-server-log-level", "warning",
    ]  # fmt: skip
    say("Starting the Dagster UI and daemon ...")
    # Also when started in the background, where a shell has SIGINT ignored and children would inherit that.
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.default_int_handler)
    child = subprocess.Popen(command, cwd=project_folder(), env=os.environ, process_group=0)  # noqa: S603 - fixed words
    try:
        if _answers(child, port):
            say(f"The Dagster UI is at http://{HOST}:{port} (Ctrl-C stops it)")
        return child.wait()
    except KeyboardInterrupt:
        say("Stopping ...")
        return 0
    finally:
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(stop, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it behind
        # In a group of its own the child gets no Ctrl-C from the terminal: it is told once, and stops its own
        # webserver, daemon and code server in order.
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(timeout=_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        _end_group(child.pid)


def _end_group(group: int) -> None:
    """End what outlives the child.

    Its code server waits for runs under way and then never ends (Dagster 1.13). Such a run ends here as if the machine
    had stopped: what it committed stays, and after the next start `accounts_sensor` notices (`defs.abandoned`) and run
    retries go on with it.
    """
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    try:
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.1)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nothing was left


def _answers(child: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the webserver answers, or the child ends."""
    while child.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/server_info", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False

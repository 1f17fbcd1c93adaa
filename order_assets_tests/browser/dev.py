"""`order-assets dev` as a process, and the truth behind what its UI shows: GraphQL and the database."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from order_assets.sandbox.testing import RunningSandbox

DEADLINE_SECONDS = 200  # waited for only if something is wrong, or the machine is busy
_UNFINISHED = "[QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]"


@dataclass(frozen=True)
class Dev:
    """A running `order-assets dev`.

    Attributes:
        url: of the UI.
        process: the command itself.
        output: file with everything it printed.
        state: its state folder, named in the environment of all its processes.
        sandbox: the APIs it crawls.
        accounts_file: what it follows.
        engine: on the database it uses.
    """

    url: str
    process: subprocess.Popen[bytes]
    output: Path
    state: Path
    sandbox: RunningSandbox
    accounts_file: Path
    engine: sa.Engine

    def printed(self) -> str:
        """Return everything it printed until now."""
        return self.output.read_text(encoding="utf-8")

    def graphql(self, query: str) -> Any:
        """Ask Dagster itself."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query}, timeout=DEADLINE_SECONDS).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def partitions(self, asset: str) -> dict[str, int]:
        """Count the partitions of an asset by status."""
        path = str(asset.split("/")).replace("'", '"')
        data = self.graphql(
            f"{{assetNodeOrError(assetKey: {{path: {path}}}) {{... on AssetNode"
            " {partitionStats {numPartitions numMaterialized numFailed numMaterializing}}}}"
        )
        stats = data["assetNodeOrError"]["partitionStats"]
        return {name.removeprefix("num").lower(): count for name, count in stats.items()}

    def runs(self, rule: str = "") -> list[dict[str, Any]]:
        """List runs, newest first; `rule` is a filter in GraphQL, e.g. `pipelineName: "load_facts"`."""
        wanted = "results {runId jobName status tags {key value}}"
        data = self.graphql(f"{{runsOrError(filter: {{{rule}}}) {{... on Runs {{{wanted}}}}}}}")
        runs = data["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in runs]

    def backfill_status(self, backfill: str) -> str:
        """Return how a backfill stands."""
        data = self.graphql(
            f'{{partitionBackfillOrError(backfillId: "{backfill}") {{... on PartitionBackfill {{status}}}}}}'
        )
        return str(data["partitionBackfillOrError"]["status"])

    def is_idle(self) -> bool:
        """Whether no run is queued or under way."""
        return not self.runs(f"statuses: {_UNFINISHED}")

    def scalar(self, query: str) -> Any:
        """Return the only value of a query."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar_one()

    def processes(self) -> dict[int, str]:
        """Return the commands of all processes with its state folder in their environment, by process id."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"ORDER_ASSETS_STATE={self.state}\0".encode() in (folder / "environ").read_bytes():
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = command.decode(errors="replace").strip()
            except OSError:  # it ended meanwhile
                continue
        return found

    def stop(self) -> None:
        """End it as Ctrl-C does, unless it has ended; nothing of it may stay, nothing it printed may alarm."""
        self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(DEADLINE_SECONDS) == 0, self.printed()
            assert self.processes() == {}
        finally:
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        # What Dagster's daemon says of a tick that Ctrl-C interrupts is its own.
        printed, stopped, _ = self.printed().partition("Stopping ...\n")
        assert stopped
        assert printed.startswith("Starting the Dagster UI and daemon ...\n")
        lines = [line for line in printed.splitlines() if "account_failures_sensor" not in line]  # what it is for
        alarming = [line for line in lines for word in ("DEBUG", "WARNING", "Warning", "Traceback") if word in line]
        assert alarming == [], printed


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll until the condition holds; fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it never happened: {what}"
        time.sleep(0.1)

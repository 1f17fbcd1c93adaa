"""A crawling process of its own, that a test starts, lets go on, and kills at a chosen point.

Run as a program, it crawls accounts of one API as its environment configures them, once it is told to.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from order_assets import settings as configuration
from order_assets.crawl.ledger import CrawlResult
from order_assets.crawl.run import crawl_accounts
from order_assets.sandbox.faults import Fault, FaultBoard
from order_assets.sandbox.testing import RunningSandbox
from order_assets.settings import SourceSystem
from order_assets.warehouse.engine import connect

_PROJECT = Path(__file__).resolve().parents[2]
_LONG = 120.0  # far more than anything here takes, on any machine


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what another process or thread does; `what` is the complaint if it never does."""
    deadline = time.monotonic() + _LONG
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def accounts_file(sandbox: RunningSandbox, **values: object) -> str:
    """Return the sandbox's accounts file with other values of keys that it has; `patience_seconds` it has not."""
    text = sandbox.accounts_toml()
    patience = values.pop("patience_seconds", 60.0)
    for key, value in values.items():
        text, found = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert found, key
    return f"{text}\n[crawl]\npatience_seconds = {patience}\n"


class Roadblock(FaultBoard):
    """Lets accounts have so many pages; their next request is never answered."""

    def __init__(self, pages: Mapping[str, int]) -> None:
        """Block these accounts, each behind so many pages."""
        super().__init__()
        self._left = dict(pages)

    def peek(self, account: str) -> Fault | None:
        """Announce the block, so that every request is shown to `strike`."""
        return _NO_ANSWER if account in self._left else super().peek(account)

    def strike(self, account: str, page: int, *, refreshing: bool = False) -> Fault | None:
        """Count a page, or block the road."""
        if account not in self._left or refreshing:
            return super().strike(account, page, refreshing=refreshing)
        self._left[account] -= 1
        return _NO_ANSWER if self._left[account] < 0 else None


_NO_ANSWER = Fault.parse("slow:seconds=86400")


class CrawlingProcess:
    """A process that crawls; use as a context manager, at whose end it is dead."""

    def __init__(
        self, database_url: str, accounts: str, folder: Path, run_id: str, source: SourceSystem, keys: Sequence[str]
    ) -> None:
        """Start it with an accounts file of its own, written to `folder`; it waits for `go`."""
        path = folder / f"{run_id}.toml"
        path.write_text(accounts, encoding="utf-8")
        path.chmod(0o600)
        environment = os.environ | {
            "ORDER_ASSETS_DATABASE_URL": database_url, "ORDER_ASSETS_ACCOUNTS": str(path), "PYTHONPATH": str(_PROJECT),
        }  # fmt: skip
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "order_assets_tests.crawl.crawling_process", source, run_id, *keys],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Return the process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind."""
        self.kill()

    def go(self) -> None:
        """Let it begin, as soon as it is ready."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        assert self._process.stdout.readline() == "ready\n"
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    @property
    def is_over(self) -> bool:
        """Whether it ended by itself."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.communicate()

    def stop(self, how: signal.Signals) -> None:
        """Ask it to end."""
        self._process.send_signal(how)

    def results(self) -> dict[str, tuple[str, str]]:
        """Wait for its end; return status and reason by account, or nothing if it was interrupted."""
        output, _ = self._process.communicate(timeout=_LONG)
        assert self._process.returncode == 0, output
        return {key: (status, reason) for key, (status, reason) in json.loads(output).items()}


def main(source: Any, run_id: str, keys: Sequence[str]) -> None:
    """Crawl as the product does, and write what came of it to standard output."""
    settings = configuration.load()
    assert settings.database_url is not None
    engine = connect(settings.database_url.get_secret_value())
    print("ready", flush=True)  # noqa: T201 - the test reads it
    sys.stdin.readline()
    found: dict[str, tuple[str, str]] = {}

    def on_result(result: CrawlResult) -> None:
        found[result.account.partition_key] = (result.verdict.status.value, result.verdict.reason.value)

    try:
        crawl_accounts(source, keys, settings, engine, run_id, on_result, mode="full")
    except KeyboardInterrupt:
        found.clear()
    print(json.dumps(found))  # noqa: T201 - likewise
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])

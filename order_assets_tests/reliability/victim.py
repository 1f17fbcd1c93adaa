"""The command in a process that can be killed at a named place: any SQL statement, commit or HTTP request.

Nothing of this is in the product. With words, it is `order-assets` as it is, but for pictures, which are most of its
work and write nothing; without, its work alone: crawl, load and summarise, in a tenth of the time. The child is forked
from a server that has imported everything once (the `forkserver` of multiprocessing), so a round costs a run and no
imports. A *place* is the function of ours (or Dagster's) that is at work, and what it is about to do or has just done,
e.g. `crawl.ledger._write, after commit`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import sqlalchemy as sa
from matplotlib.figure import Figure
from sqlalchemy.engine.default import DefaultDialect

import order_assets.refresh  # noqa: F401 - for the fork server: imported once, for all rounds
from order_assets import cli, runtime
from order_assets.crawl import accounts
from order_assets.crawl.account_crawl import Mode
from order_assets.crawl.facts import load_pending
from order_assets.crawl.run import crawl_accounts
from order_assets.defs.automation import due_stretches
from order_assets.report import drawing
from order_assets.settings import SourceSystem
from order_assets.warehouse import summaries

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


AS_OF = date(2026, 12, 31)
"""When ages are taken, whatever the day of the test."""


GROUP = 0
"""Instead of a process id: the process with all it has started, as a container's end or a power cut."""


@dataclass(frozen=True)
class Trap:
    """Where to kill: the n-th time (from 1) that a place is passed; `pid` None is the process itself."""

    place: str
    time: int
    pid: int | None = None
    signal: int = signal.SIGKILL


class Victim:
    """A run of `order-assets` that is under way."""

    def __init__(  # noqa: PLR0913 - what a run may be
        self, words: tuple[str, ...], env: Mapping[str, str], output: Path, *, trap: Trap | None = None,
        places: Path | None = None, before: Callable[[], None] | None = None, only: Sequence[str] = (),
        mode: Mode = "auto", do: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """Start it.

        `places`: file for the places it passes; `before`: called in the child first, e.g. for limits; `do`: something
        else than the command. Without either and without words: its work, of `only` these accounts, in this `mode`.
        """
        self.output = output
        do = do or (cli.main if words else functools.partial(work, tuple(only), mode))
        self._process = _FORKS.Process(target=_live, args=(do, words, dict(env), output, trap, places, before))
        self._process.start()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()

    def kill_group(self) -> None:
        """End it with all it has started, if it leads a group of its own; also what is left of it."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.send(signal.SIGINT)

    def send(self, which: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, which)

    def is_stopped(self) -> bool:
        """Whether a SIGSTOP holds it."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0] == "T"

    def is_over(self, seconds: float) -> bool:
        """Wait for its end at most so long."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def exit_code(self) -> int:
        """Wait for its end; a negative code is the signal that killed it."""
        self._process.join(_LONG)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            raise AssertionError(f"the run does not end:\n{self.printed()}")
        return code

    @property
    def was_killed(self) -> bool:
        """Whether a SIGKILL ended it."""
        return self._process.exitcode == -signal.SIGKILL

    def printed(self) -> str:
        """Return what it wrote, both streams together."""
        return self.output.read_text(encoding="utf-8") if self.output.exists() else "nothing: it never began"


_LONG = 300.0  # far more than anything here takes, on any machine


def _live(
    do: Callable[[], None], words: tuple[str, ...], env: Mapping[str, str], output: Path, trap: Trap | None,
    places: Path | None, before: Callable[[], None] | None,
) -> None:  # fmt: skip
    """Be the command, in the child."""
    threading.Thread(target=end_with_harness, args=(os.getpid(),), daemon=True).start()
    for name in [name for name in os.environ if name.startswith(("ORDER_ASSETS_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ.update(env)
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.argv = ["order-assets", *words]
    passed: Counter[str] = Counter()
    if trap is not None or places is not None:
        _set(trap, passed)
    if before is not None:
        before()
    drawing.draw = _no_picture
    try:
        do()
    finally:
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}", flush=True)  # noqa: T201
        if places is not None:
            places.write_text(json.dumps(passed), encoding="utf-8")


def end_with_harness(pid: int) -> None:
    """Wait for the end of whoever started this process, SIGKILL included, and end a process (0: the group) then."""
    harness = multiprocessing.parent_process()
    assert harness is not None
    harness.join()
    os.kill(pid, signal.SIGKILL)


def _no_picture(
    name: str, title: str, description: str, size: tuple[float, float], fill: Callable[[Figure], None]
) -> drawing.Picture:
    del size, fill
    return drawing.Picture(name, title, description, "")


def work(only: Sequence[str], mode: Mode) -> None:
    """Crawl everyone, or only some, load and summarise, as the runs of the command do, but without Dagster."""
    run_id = f"work of {os.getpid()}"
    settings, engine = runtime.open_settings(), runtime.open_engine()
    with engine.begin() as connection:
        accounts.sync(connection, settings)
    sources: tuple[SourceSystem, ...] = ("scalev", "ktsp")
    for source in sources:
        with engine.connect() as connection:
            keys = [key for key in accounts.active_keys(connection, source) if not only or key in only]
        crawl_accounts(source, keys, settings, engine, run_id, lambda _result: None, mode=mode)
    load_pending(engine, settings, run_id)
    with engine.connect() as connection:
        due = due_stretches(connection)
    for first, last in due:
        for name in summaries.MONTHLY_TABLES:
            with engine.begin() as connection:
                summaries.summarise(connection, name, first, last, run_id, only_stale=True)
    with engine.begin() as connection:
        if summaries.stale_tables(connection, AS_OF):
            for name in summaries.WHOLE_TABLES:
                summaries.summarise_whole(connection, name, AS_OF, run_id)
            summaries.set_as_of(connection, AS_OF, run_id)
    engine.dispose()


def _set(trap: Trap | None, passed: Counter[str]) -> None:
    turn = threading.Lock()

    def pass_by(what: str) -> None:
        place = f"{_where()}, {what}"
        with turn:
            passed[place] += 1
            is_there = trap is not None and trap.place == place and trap.time == passed[place]
        if is_there and trap is not None:
            os.kill(os.getpid() if trap.pid is None else trap.pid, trap.signal)

    sa.event.listen(sa.Engine, "before_cursor_execute", lambda *_: pass_by("before statement"))
    sa.event.listen(sa.Engine, "after_cursor_execute", lambda *_: pass_by("after statement"))
    commit: Any = DefaultDialect.do_commit
    send: Any = httpx.AsyncClient.send

    @functools.wraps(commit)
    def do_commit(self: DefaultDialect, connection: Any) -> None:
        pass_by("before commit")
        commit(self, connection)
        pass_by("after commit")

    @functools.wraps(send)
    async def do_send(self: httpx.AsyncClient, *args: Any, **options: Any) -> httpx.Response:
        pass_by("before request")
        answer: httpx.Response = await send(self, *args, **options)
        pass_by("after request")
        return answer

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
    httpx.AsyncClient.send = do_send  # type: ignore[method-assign]


def _where() -> str:
    """Name the innermost function of ours that is at work, else Dagster's, with that of its daemon if there is one."""
    frame: FrameType | None = sys._getframe(2)
    of_dagster = ""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("order_assets."):
            return f"{name.removeprefix('order_assets.')}.{frame.f_code.co_name}"
        if name.startswith(("dagster._daemon", "dagster._scheduler")):
            return f"{name}.{frame.f_code.co_name} in {of_dagster}"
        if name.startswith("dagster") and not of_dagster:
            of_dagster = f"{name}.{frame.f_code.co_name}"
        frame = frame.f_back
    return of_dagster or "elsewhere"

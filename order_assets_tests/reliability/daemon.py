"""The daemon killed, again and again: `python -m order_assets_tests.reliability.daemon --rounds 20`.

A round finds work that waits: a schedule whose hour is over, a backfill, so that a run queues for its pool, and after
them loads, summaries and a report, each asked for by a sensor or an automation condition. It kills the daemon, alone or
with its code server and runs (as when a container or a machine ends), once or twice, at one of its SQL statements or
while something is at work. Then another daemon, sometimes after `order-assets run`, must bring everything to
what an undisturbed run leaves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import sqlalchemy as sa
from dagster._daemon.cli import run_command

from order_assets import runtime
from order_assets.defs.automation import due_stretches
from order_assets.sandbox.world import WorldSpec
from order_assets.warehouse import summaries
from order_assets_tests.deploy.cluster import ROOT, all_accounts, ask
from order_assets_tests.reliability.scene import SPEC, Scene, scene
from order_assets_tests.reliability.truth import Truth
from order_assets_tests.reliability.victim import GROUP, Trap, Victim, end_with_harness
from order_assets_tests.reliability.views import NO_LONGER_DUE, OF_REPORTS, WORK

PATIENCE_SECONDS = 900.0
_START = "mutation($schedule: ScheduleSelector!) { startSchedule(scheduleSelector: $schedule) { __typename } }"
_BACKFILL = (
    "mutation($members: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $members) { __typename } }"
)
_HOURLY = {
    "repositoryLocationName": "order_assets",
    "repositoryName": "__repository__",
    "scheduleName": "refresh_orders_hourly",
}
_TWO_HOURS_AGO = """
update dagster.instigators
set instigator_body = regexp_replace(
    instigator_body, '"start_timestamp": [0-9.]+',
    '"start_timestamp": ' || (extract(epoch from now())::bigint - 7200) || '.0'
)
where instigator_body like '%refresh_orders_hourly%'
"""
_SMALL = WorldSpec(seed=72, stores=1, customers_per_store=2, members=2, orders_per_account=6)
_SOONER = {"start_timeout_seconds": 45, "poll_interval_seconds": 2}


def daemon() -> None:
    """Be Dagster's daemon, as `order-assets exec dagster-daemon run`, with a process group of its own."""
    os.setsid()
    if os.fork() == 0:  # a daemon that is killed alone leaves its code server and runs behind
        end_with_harness(GROUP)
    os.chdir(ROOT)
    home = os.environ["DAGSTER_HOME"]
    os.environ.update({**runtime.dagster_environment(), "DAGSTER_HOME": home})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command.main(["--workspace", "workspace.yaml"], standalone_mode=False)


@dataclass
class Daemons:
    """What rounds need to know.

    Attributes:
        base: database that every round copies: work is waiting, and no daemon runs.
        is_short: no backfill and no report, so that a round ends with the sums.
        places: what an undisturbed daemon passes until all is done, and how often.
    """

    scene: Scene
    home: Path
    base: str
    is_short: bool = False
    places: dict[str, int] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    _expected: dict[date, Truth] = field(default_factory=dict)

    def expected(self, as_of: date) -> Truth:
        """Return what `order-assets run` makes of it; ages are taken at this date."""
        if as_of not in self._expected:
            database = self.scene.copy(self.base)
            self.scene.run(database, "run", "--as-of", as_of.isoformat())
            self._expected[as_of] = self.scene.truth(database)
            self.scene.drop(database)
        return self._expected[as_of]

    def start(self, database: str, trap: Trap | None = None, places: Path | None = None) -> Victim:
        """Start a daemon."""
        return self.scene.start(database, do=daemon, env={"DAGSTER_HOME": str(self.home)}, trap=trap, places=places)

    def undisturbed(self) -> list[str]:
        """Let a daemon do all of it and note where it comes by; return what is wrong then: nothing."""
        database, places = self.scene.copy(self.base), self.scene.folder / "places"
        complaints = self._mended(database, places)
        self.places = json.loads(places.read_text(encoding="utf-8"))
        return complaints

    def round(self, seed: str) -> list[str]:
        """Kill, let another daemon go on, and return what is wrong then: nothing."""
        draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
        database = self.scene.copy(self.base)
        killed = [self._draw_kill(draw, database) for _ in range(draw.choice([1, 1, 2]))]
        if draw.random() < 0.25:
            self._run(database)
        complaints = self._mended(database)
        for victim in killed:
            victim.kill_group()  # code servers that wait for their next heartbeat
        return complaints

    def killed_once(self, moment: str) -> list[str]:
        """Kill a daemon with its runs at a moment (of `WORK`), let another go on, and return what is wrong then."""
        database = self.scene.copy(self.base)
        self._kill(database, GROUP, moment)
        with self.scene.engine(database) as engine:
            assert _is(engine, NO_LONGER_DUE["runs"]), "no run was at work"
        return self._mended(database)

    def _draw_kill(self, draw: random.Random, database: str) -> Victim:
        """Kill a daemon, alone or with its runs, at a statement or while something is at work."""
        pid = draw.choice([None, GROUP])
        if self.places and draw.random() < 0.5:
            place = draw.choice(sorted(self.places))
            trap = Trap(place, draw.randint(1, min(self.places[place], 40)), pid)
            return self._kill(database, pid, trap=trap)
        return self._kill(database, pid, draw.choice(sorted(WORK)), after=draw.uniform(0, 1.0))

    def _kill(
        self, database: str, pid: int | None, moment: str = "", *, after: float = 0, trap: Trap | None = None
    ) -> Victim:
        """Start a daemon and end it at a trap, or so many seconds after something is at work; see `WORK`."""
        victim = self.start(database, trap)
        with self.scene.engine(database) as engine:
            self._wait(lambda: victim.is_over(0) or (moment and _is(engine, WORK[moment])) or not self._undone(engine))
        if not victim.is_over(after):
            victim.kill_group() if pid == GROUP else victim.kill()
        victim.exit_code()
        what = "a daemon with its runs" if pid == GROUP else "a daemon alone"
        self.told[f"{what}, {moment or 'at a statement'}"] += 1
        return victim

    def _run(self, database: str) -> None:
        """Let the command go first; accounts that a run of the killed daemon is still at are parked."""
        self.told["the command in between"] += 1
        assert self.scene.start(database, "run").exit_code() in {0, 3}

    def _mended(self, database: str, places: Path | None = None) -> list[str]:
        """Start a daemon, wait until there is nothing left to do, end it, and say what is wrong."""
        last = self.start(database, places=places)
        try:
            with self.scene.engine(database) as engine:
                is_done = self._wait(lambda: not self._undone(engine) or last.is_over(0), poll_seconds=0.5)
                complaints, as_of = self._undone(engine), _as_of(engine)
            last.stop()
            code = last.exit_code()
        finally:
            last.kill_group()
        if not is_done or complaints or code != 0:
            return [*complaints, f"the daemon after it, exit code {code}: {last.printed()[-6_000:]}"]
        complaints = self.scene.complaints(database, self.expected(as_of), as_of)
        self.scene.drop(database)
        return complaints

    def _undone(self, engine: sa.Engine) -> list[str]:
        """Say what a daemon has left to do: nothing in the end, whatever was killed before."""
        as_of = _as_of(engine)
        due = {what: query for what, query in NO_LONGER_DUE.items() if not self.is_short or what not in OF_REPORTS}
        with engine.connect() as connection:
            found = [what for what, query in due.items() if connection.execute(sa.text(query)).scalar()]
            found += ["months to summarise"] if due_stretches(connection) else []
            stale = summaries.stale_tables(connection, as_of)
        return found + (["summaries without a period"] if stale else [])

    @staticmethod
    def _wait(condition: Callable[[], object], poll_seconds: float = 0.05) -> bool:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(poll_seconds)
        return True


def _is(engine: sa.Engine, query: str) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(sa.text(query)).scalar())


def _as_of(engine: sa.Engine) -> date:
    """Return the date at which ages were taken last, or today's."""
    with engine.connect() as connection:
        found: date | None = connection.execute(sa.text("select max(as_of_date) from ops.summarised_tables")).scalar()
    return found or datetime.now(UTC).date()


@contextmanager
def daemons(*, is_short: bool = False) -> Iterator[Daemons]:
    """Set the scene: half of the accounts are loaded, orders change, and a schedule and a backfill are due.

    The short one: a schedule is due on an empty database, in a small world.
    """
    world, latency_ms = (_SMALL, 100.0) if is_short else (SPEC, 2.0)  # there is time to kill a short crawl
    with scene(world, latency_ms=latency_ms) as made:
        home = made.folder / "home"
        home.mkdir()
        text = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
        for name, seconds in ({} if is_short else _SOONER).items():
            text, found = re.subn(rf"^  {name}: \d+$", f"  {name}: {seconds}", text, flags=re.MULTILINE)
            assert found == 1, name
        text += "auto_materialize:\n  use_sensors: false\n" if is_short else ""
        (home / "dagster.yaml").write_text(text, encoding="utf-8")
        base = made.copy()
        if not is_short:
            half = (word for account in made.sandbox.world.accounts[::2] for word in ("--account", account))
            yesterday = datetime.fromtimestamp(time.time() - 86_400, UTC).date().isoformat()
            made.run(base, "run", "--as-of", yesterday, *half)
            made.sandbox.evolve(4)
        env = {**os.environ, **made.environment(base)}
        assert ask(env, _START, {"schedule": _HOURLY})["startSchedule"]["__typename"] == "ScheduleStateResult"
        if not is_short:
            asked = ask(env, _BACKFILL, {"members": all_accounts("ktsp_order_pages")})
            assert asked["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess"
        with made.engine(base) as engine, engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            assert autocommit.execute(sa.text(_TWO_HOURS_AGO)).rowcount == 1
            autocommit.execute(sa.text("analyze"))
        yield Daemons(made, home, base, is_short)


def main() -> int:
    """Kill as often as asked; return 1 if anything was ever wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--seed", default="1")
    asked = parser.parse_args()
    with daemons() as kills:
        complaints = kills.undisturbed()
        print(f"undisturbed: {len(kills.places)} places; {complaints or 'as expected'}", flush=True)  # noqa: T201
        wrong = int(bool(complaints))
        for number in range(asked.first, asked.first + asked.rounds):
            began = time.monotonic()
            complaints = kills.round(f"{asked.seed} {number}")
            wrong += bool(complaints)
            print(f"round {number}: {time.monotonic() - began:.0f} s; {complaints or 'as expected'}", flush=True)  # noqa: T201
        print(f"{asked.rounds} rounds, {wrong} wrong; {dict(kills.told)}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

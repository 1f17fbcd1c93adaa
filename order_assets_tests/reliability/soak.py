"""Months of refreshes in minutes: `python -m order_assets_tests.reliability.soak --rounds 200`.

In each round the source goes on by some hours, accounts meet faults drawn from the seed, and a refresh runs, or is
killed; then the faults pass, and a whole crawl must bring every published sum to what a new installation makes of the
source as it is now. The new one has nothing in common with the old but the code: an empty database, a first load.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from dataclasses import dataclass, field, replace
from datetime import date

import sqlalchemy as sa

from order_assets.sandbox.faults import KINDS
from order_assets_tests.reliability.kill import killing
from order_assets_tests.reliability.scene import SPEC, Scene
from order_assets_tests.reliability.truth import Truth, differences
from order_assets_tests.reliability.views import PUBLISHED

# They change the source itself, or take longer than a round should.
_LEFT_OUT = {"order_arrives", "order_vanishes", "slow"}
_FAULTS_AT_ONCE = 3
# A round is about a day. An order that is dated in the future is given the day it is fetched on, and a new installation
# fetches on another day.
_LONG_AGO = replace(SPEC, until=date(2022, 12, 31))
_GROWTH_BYTES = 4_000_000  # of the database in a round; a round keeps each page anew
_MEMORY_BYTES = 400_000_000


@dataclass
class Soak:
    """An installation that goes on and on, and what it took so far."""

    scene: Scene
    database: str
    seed: str
    sizes: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    faults: int = 0
    kills: int = 0

    def round(self, number: int) -> list[str]:
        """Let some hours pass; return what is wrong then: nothing."""
        draw = random.Random(f"{self.seed} {number}")  # noqa: S311 - reproducible, not secret
        sandbox = self.scene.sandbox
        sandbox.evolve(draw.randint(1, 3))
        for account in draw.sample(list(sandbox.world.accounts), _FAULTS_AT_ONCE):
            api = "ktsp" if account.startswith("ktsp/") else "scalev"
            kinds = [name for name, kind in KINDS.items() if api in kind.applies_to and name not in _LEFT_OUT]
            sandbox.set_fault(account, draw.choice(kinds))
            self.faults += 1
        refresh = self.scene.start(self.database)
        if draw.random() < 0.3 and not refresh.is_over(draw.uniform(0, 3)):
            refresh.kill()
            self.kills += 1
        code = refresh.exit_code()
        complaints = [] if code == 0 or refresh.was_killed else [f"refresh: {code}: {refresh.printed()[-1_000:]}"]
        sandbox.clear_faults()
        with self.scene.engine(self.database) as engine, engine.begin() as connection:
            connection.execute(sa.text("update ops.crawls set resume_at = null"))  # what was parked may be asked again
            connection.execute(sa.text("update ops.accounts set state = 'active' where state <> 'retired'"))
        whole = self.scene.run(self.database, mode="full")
        self.memory.append(int(re.findall(r"peak memory (\d+)", whole)[-1]))
        new = self.scene.copy()
        self.scene.run(new, mode="full")
        complaints += differences(self._published(new), self._published(self.database))
        complaints += self.scene.complaints(self.database, {})
        self.scene.drop(new)
        complaints += self._unbounded()
        return complaints

    def _published(self, database: str) -> Truth:
        """Return what the summaries say of orders that the source still has."""
        with self.scene.engine(database) as engine, engine.connect() as connection:
            return {
                name: tuple(connection.execute(sa.text(f"select t::text from ({query}) as t order by 1")).scalars())  # noqa: S608 - queries of these tests
                for name, query in PUBLISHED.items()
            }

    def _unbounded(self) -> list[str]:
        """Say whether storage or memory grew beyond what a round may take."""
        with self.scene.engine(self.database) as engine, engine.connect() as connection:
            self.sizes.append(
                int(connection.execute(sa.text("select pg_database_size(current_database())")).scalar_one())
            )
        grown = self.sizes[-1] - self.sizes[0]
        complaints = [f"the database grew by {grown} bytes"] if grown > _GROWTH_BYTES * len(self.sizes) else []
        return complaints + ([f"peak memory {self.memory[-1]}"] if self.memory[-1] > _MEMORY_BYTES else [])


def main() -> int:
    """Go on as long as asked; return 1 if anything was ever wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", default="1")
    asked = parser.parse_args()
    wrong = 0
    with killing(command=False, world=_LONG_AGO) as kills:
        soak = Soak(kills.scene, kills.scene.copy(kills.base), asked.seed)
        for number in range(asked.rounds):
            complaints = soak.round(number)
            wrong += bool(complaints)
            for complaint in complaints:
                print(f"round {number}: {complaint}", flush=True)  # noqa: T201
        print(  # noqa: T201
            f"{asked.rounds} rounds, {wrong} wrong; {soak.faults} faults, {soak.kills} kills; the database grew from"
            f" {soak.sizes[0] / 1e6:.1f} to {soak.sizes[-1] / 1e6:.1f} MB; memory {max(soak.memory) / 1e6:.0f} MB"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

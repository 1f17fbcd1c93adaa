"""Many at once: `python -m order_assets_tests.reliability.race --rounds 50`.

A round starts processes that crawl, load and summarise accounts of one database at the same time. First each has
accounts of its own and nothing else happens: what they leave must be whole as it is. Then they share accounts and some
are killed, and one more run must find everything as an undisturbed one leaves it.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence

from order_assets_tests.reliability.kill import Killing, killing
from order_assets_tests.reliability.truth import Truth

_AT_MOST_SECONDS = 3.0


def disjoint(kills: Killing, processes: int) -> list[str]:
    """Let every process have accounts of its own; return what is wrong after the last of them has ended."""
    accounts = kills.scene.sandbox.world.accounts
    database = kills.scene.copy(kills.base)
    racing = [kills.scene.start(database, only=accounts[number::processes]) for number in range(processes)]
    complaints = [f"a process ended with {code}: {victim.printed()[-1_000:]}"
                  for victim in racing if (code := victim.exit_code())]  # fmt: skip
    complaints += kills.scene.complaints(database, _of_races(kills.expected))
    kills.scene.drop(database)
    return complaints


def overlapping(kills: Killing, processes: int, seed: str) -> list[str]:
    """Let processes share accounts, kill some; return what is wrong after one more run over all."""
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    accounts: Sequence[str] = kills.scene.sandbox.world.accounts
    database = kills.scene.copy(kills.base)
    racing = [kills.scene.start(database, only=draw.sample(accounts, len(accounts) // 2)) for _ in range(processes)]
    for victim in racing[: processes // 2]:
        if not victim.is_over(draw.uniform(0, _AT_MOST_SECONDS / processes)):
            victim.kill()
    for victim in racing:
        victim.exit_code()
    last = kills.scene.start(database, mode="full")
    complaints = [] if last.exit_code() == 0 else [f"the run after it: {last.printed()[-1_000:]}"]
    complaints += kills.scene.complaints(database, _of_races(kills.expected))
    kills.scene.drop(database)
    return complaints


def _of_races(expected: Truth) -> Truth:
    """Leave out what rightly differs: several loads may restate what one published, and whole crawls read more."""
    return {name: rows for name, rows in expected.items() if name not in {"restatements", "raw pages"}}


def main() -> int:
    """Race as often as asked; return 1 if anything was ever wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--seed", default="1")
    asked = parser.parse_args()
    wrong = 0
    with killing(command=False) as kills:
        for number in range(asked.rounds):
            complaints = disjoint(kills, asked.processes)
            complaints += overlapping(kills, asked.processes, f"{asked.seed} {number}")
            wrong += bool(complaints)
            for complaint in complaints:
                print(f"round {number}: {complaint}", flush=True)  # noqa: T201
        print(f"{asked.rounds} rounds of {asked.processes} processes, {wrong} wrong")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

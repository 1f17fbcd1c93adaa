"""Kill, again and again: `python -m order_assets_tests.reliability.kill --rounds 200`.

A round kills a run, or the database server under it, at a place or a moment drawn from the seed, once or twice, while a
reader looks at the marts. Then it runs once more to the end and compares everything with a run that nobody
disturbed. Places are those that the undisturbed run passes: each is as likely as any other, however often it is passed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from order_assets.sandbox.world import WorldSpec
from order_assets_tests.reliability.scene import COMMAND, SPEC, Scene, scene
from order_assets_tests.reliability.truth import Reader, Truth, fingerprints
from order_assets_tests.reliability.victim import Trap

What = Literal["process", "server"]


@dataclass
class Killing:
    """What rounds need to know of the undisturbed run.

    Attributes:
        words: the command, or nothing for its work alone.
        base: database that every round copies: some accounts loaded, others new, and orders that changed since.
        expected: what an undisturbed run makes of it.
        whole: what a reader may see: the state before, and the state after.
        places: how often it passes each place.
        seconds: how long it takes.
    """

    scene: Scene
    words: tuple[str, ...]
    base: str
    expected: Truth
    whole: tuple[dict[str, str], dict[str, str]]
    places: dict[str, int]
    seconds: float
    told: Counter[str] = field(default_factory=Counter)

    def round(self, what: What, seed: str) -> list[str]:
        """Kill, run again and return what is wrong then: nothing."""
        draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
        database = self.scene.copy(self.base)
        with contextlib.ExitStack() as stack:
            reader = stack.enter_context(Reader(self.scene.url(database)))
            for _ in range(draw.choice([1, 1, 2])):
                self._kill(what, draw, database)
            self.scene.url(database)  # starts the server that was killed
            last = self.scene.start(database, *self.words)
            code = last.exit_code()
        complaints = [] if code == 0 else [f"the run after it ends with {code}: {last.printed()[-1_000:]}"]
        complaints += self.scene.complaints(database, self.expected)
        complaints += [f"seen half: {key}" for key in reader.half_visible(*self.whole)]
        self.told["looks of the reader"] += reader.looks
        self.scene.drop(database)
        return complaints

    def _kill(self, what: What, draw: random.Random, database: str) -> None:
        """Start a run and kill, at a place or at a moment."""
        trap = None
        if draw.random() < 0.7:
            place = draw.choice(sorted(self.places))
            pid = self.scene.postmaster() if what == "server" else None
            trap = Trap(place, draw.randint(1, self.places[place]), pid)
        victim = self.scene.start(database, *self.words, trap=trap)
        if trap is None and not victim.is_over(draw.uniform(0, self.seconds)):
            victim.kill() if what == "process" else self.scene.kill_server()
        victim.exit_code()
        is_hit = victim.was_killed if what == "process" else not self.scene.is_up()
        self.told[f"{what} killed at {'a place' if trap else 'a moment'}" if is_hit else "passed by"] += 1


@contextmanager
def killing(*, command: bool, world: WorldSpec = SPEC) -> Iterator[Killing]:
    """Set the scene: half of the accounts are loaded, orders change, and an undisturbed run shows what to expect."""
    with scene(world) as made:
        accounts = made.sandbox.world.accounts
        base, words = made.copy(), COMMAND if command else ()
        made.run(base, *COMMAND, *(word for account in accounts[::2] for word in ("--account", account)))
        made.sandbox.evolve(4)
        with made.engine(base) as engine, engine.connect() as connection:  # as autovacuum does within a minute
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("analyze"))
        undisturbed, places = made.copy(base), made.folder / "places"
        began = time.monotonic()
        made.run(undisturbed, *words, places=places)
        seconds = time.monotonic() - began
        with made.engine(base) as before, made.engine(undisturbed) as after:
            whole = fingerprints(before), fingerprints(after)
        passed = json.loads(places.read_text(encoding="utf-8"))
        yield Killing(made, words, base, made.truth(undisturbed), whole, passed, seconds)


def main() -> int:
    """Kill as often as asked; return 1 if anything was ever wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--what", choices=("process", "server", "both"), default="both")
    parser.add_argument("--command", action="store_true", help="the whole command, not its work alone")
    asked = parser.parse_args()
    wrong = 0
    with killing(command=asked.command) as kills:
        print(f"{len(kills.places)} places, {sum(kills.places.values())} passed in {kills.seconds:.1f} s")  # noqa: T201
        for number in range(asked.rounds):
            what: What = ("process", "server")[number % 2] if asked.what == "both" else asked.what
            complaints = kills.round(what, f"{asked.seed} {number}")
            wrong += bool(complaints)
            for complaint in complaints:
                print(f"round {number}: {complaint}", flush=True)  # noqa: T201
        print(f"{asked.rounds} rounds, {wrong} wrong; {dict(kills.told)}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""How far long work has come: bars with rate and time left on a terminal, plain lines elsewhere.

On stderr, so that stdout stays the result. What is counted is said by whoever counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from order_assets.cli_common import err, say

_LINES = 4  # on a pipe: one at each quarter


class _Rate(ProgressColumn):
    """Pieces per second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Return what the bar shows."""
        speed = task.finished_speed or task.speed
        return Text(f"{rate(speed)}" if speed else "", style="progress.data.speed")


class Shown:
    """One bar or line per name. `words` say what is counted, e.g. "accounts crawled"; `others` those of some names."""

    def __init__(
        self,
        words: str,
        totals: Mapping[str, int | None],
        others: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the names and how many there are of each; None where that is not known yet: no bar until it is."""
        self._words, self._clock = dict.fromkeys(totals, words) | dict(others or {}), clock
        self._last, self._since = clock(), dict[str, float]()
        self._totals, self._done, self._told = dict(totals), dict.fromkeys(totals, 0), dict.fromkeys(totals, 0)
        self._is_live = err.is_terminal and not err.is_dumb_terminal
        self._bars = Progress(
            TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}", style="yellow"),
            console=err, disable=not self._is_live,
        )  # fmt: skip
        self._tasks = {
            name: self._bars.add_task(name, total=total, note="", visible=total is not None)
            for name, total in totals.items()
        }

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave them as they are."""
        self._bars.stop()

    def expect(self, name: str, total: int) -> None:
        """Say how many there are."""
        self._totals[name] = total
        self._bars.update(self._tasks[name], total=total, visible=True)

    def advance(self, name: str, done: int | None = None, note: str = "") -> None:
        """Count one more, or say how many are done."""
        # Sources may be crawled one after the other: each began when something was last heard of another.
        self._since.setdefault(name, self._last)
        self._last = self._clock()
        self._done[name] = self._done[name] + 1 if done is None else done
        self._bars.update(self._tasks[name], completed=self._done[name], note=note)
        total = self._totals[name]
        if self._is_live or total is None:
            return
        if self._done[name] >= total or self._done[name] - self._told[name] >= max(total // _LINES, 1):
            self._told[name] = self._done[name]
            say(self._line(name, total, note))

    def _line(self, name: str, total: int, note: str) -> str:
        done = self._done[name]
        words = f"{name}: {done:,} of {total:,} {self._words[name]}"
        seconds = self._last - self._since[name]
        if seconds >= 1 and done:
            words += f", {rate(done / seconds)}"
            left = (total - done) * seconds / done
            words += f", about {_duration(left)} left" if total > done else ""
        return f"{words}, {note}" if note else words


def rate(per_second: float) -> str:
    """Return a rate in the unit that gives it digits."""
    return f"{per_second:,.1f}/s" if per_second >= 1 else f"{per_second * 60:,.1f}/min"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"

"""Which batches of crawls are derived while the server still merges those before them.

What a batch is, how it is derived and how it is loaded, is decided in `facts`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from order_assets.warehouse.load import Prepared

_AHEAD = 2  # batches: one is derived sooner, another later than the server has merged the one before
Batch = Sequence[int]
"""Numbers of crawls that are loaded together."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A finished crawl with pages: whose it is, and how many orders are on those that bring news."""

    crawl_id: int
    account: tuple[str, str]
    items: int


class DerivedAhead:
    """The next few of the batches, derived in a thread. To be used in a `with`, which ends the thread."""

    def __init__(
        self,
        derive: Callable[[Batch], list[Prepared]],
        todo: Sequence[Batch],
        known: Mapping[int, Fetched],
        most_orders: int,
    ) -> None:
        """Begin nothing yet. `most_orders`: a batch of more does not fit into memory beside another."""
        self._derive = derive
        self._todo = todo
        self._known = known
        self._most_orders = most_orders
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="derive")
        self._waiting: deque[Future[list[Prepared]]] = deque()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the thread."""
        self._worker.shutdown(cancel_futures=True)

    def take(self, place: int) -> Future[list[Prepared]] | None:
        """Return the batch at that place of the list, if it was begun, and begin those after it."""
        taken = self._waiting.popleft() if self._waiting else None
        first = place + 1
        for number in range(first + len(self._waiting), min(first + _AHEAD, len(self._todo))):
            if not self._may_be_derived(self._todo[number], beside=self._todo[place:number]):
                break
            self._waiting.append(self._worker.submit(self._derive, self._todo[number]))
        return taken

    def forget(self) -> None:
        """Give up what was derived: it may rest on crawls that could not be loaded after all."""
        while self._waiting:
            self._waiting.pop().cancel()

    def _may_be_derived(self, batch: Batch, beside: Iterable[Batch]) -> bool:
        """Whether a batch fits into memory, and none of its crawls builds on one that is not loaded yet."""
        theirs = {self._known[crawl_id].account for other in beside for crawl_id in other}
        mine = [self._known[crawl_id] for crawl_id in batch]
        return sum(crawl.items for crawl in mine) <= self._most_orders and not any(
            crawl.account in theirs for crawl in mine
        )

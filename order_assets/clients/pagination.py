"""When to ask for the next page, and what to conclude at the end. Pure: no HTTP, no clock, no database.

Both APIs can lie about their pages (a cursor that comes again, a last page repeated for ever), and numbered pages
shift while orders come and go. A walk looks at each page's facts and answers with the next request or with a verdict;
it never goes on for ever. When a walk may stop early because everything older is known is decided in `crawl.head`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from order_assets.clients.errors import Reason

MAX_PAGES = 20_000  # 500,000 orders of one Scalev customer; beyond belief, so the walk is going round
MAX_EMPTY_PAGES = 20
MAX_PASSES = 5  # passes over shifting pages before they are called unstable


class Status(StrEnum):
    """States of a crawl in `ops.crawls.status`."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a crawl of one account ended: only `complete` says that every order of the account was seen or is known.

    `resume_at`: of a parked account, when the API may be asked again (aware UTC), if it said so.
    """

    status: Status
    reason: Reason
    words: str
    resume_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the history is missing."""
        return self.status is Status.COMPLETE


COMPLETE = Verdict(Status.COMPLETE, Reason.OK, "the API said there is no further page")


def incomplete(reason: Reason, words: str) -> Verdict:
    """Return the verdict for a walk that had to stop early; what was fetched is still good."""
    return Verdict(Status.INCOMPLETE, reason, words)


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a walk needs to know of a page.

    `keys`: order identifiers in page order. `times`: when each order was placed by the API's own listing field
    (aware UTC), None where it does not say.
    """

    keys: tuple[str, ...]
    more: bool
    next_cursor: str | None = None
    times: tuple[datetime | None, ...] = ()


@dataclass(slots=True)
class _Walk:
    """What both walks keep: passes over the history, and what each of them saw.

    A pass is one reading from the first page to the last. Pages can shift under a pass: orders that arrive push others
    onto the next page (they come twice), orders that vanish pull others onto a page that was read already (they are
    skipped). So where that may have happened the history is read again, until a pass misses nothing of the pass
    before. What earlier passes saw and the last did not has vanished meanwhile.
    """

    max_pages: int = MAX_PAGES
    pages: int = 0
    duplicates: int = 0
    passes: int = 1
    is_newest_first: bool = True
    seen: set[str] = field(default_factory=set)
    _of_pass: set[str] = field(default_factory=set)
    _before: set[str] | None = None
    _pages_of_pass: int = 0
    _doubled: int = 0
    _productive: int = 0  # pages of this pass that brought something new
    _empty: int = 0
    _oldest: datetime | None = None

    @property
    def gone(self) -> set[str]:
        """Orders that an earlier pass saw and the last one did not."""
        return self.seen - self._of_pass

    @property
    def listed(self) -> set[str]:
        """Orders that the last pass saw."""
        return self._of_pass

    def _take(self, page: PageFacts) -> bool:
        """Take in a page's orders; return whether it is non-empty and brought nothing new to this pass."""
        self.pages += 1
        self._pages_of_pass += 1
        new = set(page.keys) - self._of_pass
        doubled = len(page.keys) - len(new)
        self._doubled += doubled
        self._productive += bool(new)
        if self._before is None:
            self.duplicates += doubled
        self._empty = 0 if page.keys else self._empty + 1
        self._of_pass |= new
        self.seen |= new
        self._look_at_order(page)
        return bool(page.keys) and not new

    def _look_at_order(self, page: PageFacts) -> None:
        if self._before is not None or not self.is_newest_first:
            return
        self.is_newest_first = len(page.times) == len(page.keys)
        for moment in page.times:
            if moment is None or (self._oldest is not None and moment > self._oldest):
                self.is_newest_first = False
                return
            self._oldest = moment

    def _end_of_pass(self, *, doubt: bool) -> Verdict | None:
        """Return the verdict at the end of a pass, or None if another pass has to tell."""
        settled = not doubt if self._before is None else self._before <= self._of_pass
        if settled:
            return COMPLETE
        if self.passes >= MAX_PASSES:
            return incomplete(Reason.SHIFTED_PAGES, f"orders still moved between the pages in pass {self.passes}")
        self._begin_pass()
        return None

    def _begin_pass(self) -> None:
        self._before, self._of_pass = self._of_pass, set()
        self._pages_of_pass = self._doubled = self._productive = self._empty = 0
        self.passes += 1

    def _is_too_long(self) -> bool:
        return self._pages_of_pass >= self.max_pages


@dataclass(slots=True)
class CursorWalk(_Walk):
    """Scalev: follow `next_cursor` while `has_next`.

    The end is `has_next` false (or absent without a cursor). A cursor that was sent before, at any distance, ends the
    walk as incomplete; so do a page whose orders were all seen before, and a `has_next` without a cursor. Cursors
    hold their place, so only orders that came twice are a reason to read the history again.
    """

    cursor: str | None = None
    _sent: set[str] = field(default_factory=set)
    _restarts: int = 0

    def advance(self, page: PageFacts) -> Verdict | None:
        """Take in one page; return None to go on with `cursor`, or the verdict."""
        repeated = self._take(page)
        if not page.more:
            verdict = self._end_of_pass(doubt=self._doubled > 0)
            if verdict is None:
                self._to_the_first_page()
            return verdict
        if page.next_cursor is None or not page.next_cursor.strip():
            return incomplete(Reason.CURSOR_MISSING, f"page {self.pages} announces more but names no cursor")
        if page.next_cursor in self._sent:
            return incomplete(Reason.CURSOR_REPEATED, f"page {self.pages} names a cursor that was already followed")
        if repeated:
            return incomplete(Reason.PAGE_REPEATED, f"page {self.pages} brought only orders of earlier pages")
        if self._empty > MAX_EMPTY_PAGES:
            return incomplete(Reason.PAGE_REPEATED, f"{self._empty} empty pages in a row, and always more announced")
        if self._is_too_long():
            return incomplete(Reason.PAGE_CAP, f"stopped after {self._pages_of_pass:,} pages, with more announced")
        self._sent.add(page.next_cursor)
        self.cursor = page.next_cursor
        return None

    def restart(self) -> bool:
        """Go back to the first page, since the cursor is no longer accepted; return False if that was done before."""
        if self._restarts:
            return False
        self._restarts += 1
        self._begin_pass()
        # What was seen so far is no whole pass, so there is nothing the next one could be held against.
        self._before, self._oldest, self.is_newest_first = None, None, True
        self._to_the_first_page()
        return True

    def _to_the_first_page(self) -> None:
        self._sent.clear()
        self.cursor = None


@dataclass(slots=True)
class NumberWalk(_Walk):
    """KTSP: count pages up from `first` until `morePage` is false or absent and the page is not full, or it is empty.

    Where the vendor counts from 1, pages 0 and 1 are the same page, or page 0 is empty; that is harmless. Any later
    page whose orders were all seen before means that the last page is repeated for ever, and ends the walk as
    incomplete. Numbers do not hold their place, so a history of several pages is read until two passes agree.
    """

    first: int = 0
    page_size: int = 200
    number: int = -1
    _must_be_last: bool = False
    _announced: bool = False  # a page of this pass said that there is more

    def __post_init__(self) -> None:
        """Start at the first page."""
        self.number = self.first

    def advance(self, page: PageFacts) -> Verdict | None:
        """Take in one page; return None to go on with `number`, or the verdict."""
        repeated = self._take(page)
        self._announced |= page.more
        is_second = self._pages_of_pass == 2 and self.number == 1  # noqa: PLR2004 - pages 0 and 1
        if self._must_be_last and (repeated or not page.keys) and not page.more:
            return self._end()
        if not page.keys and self._pages_of_pass > 1:
            # The wording is soft ("may want to continue"): more announced and nothing on the page is a legal end.
            return self._end()
        if repeated and not is_second:
            return incomplete(Reason.PAGE_REPEATED, f"page {self.number} brought only orders of earlier pages")
        # A full page may be followed by another, whatever is said, and an empty page 0 by the first one.
        self._must_be_last = not page.more
        if not page.more and len(page.keys) < self.page_size and (page.keys or self.number > 0 or self.passes > 1):
            return self._end()
        if self._is_too_long():
            return incomplete(Reason.PAGE_CAP, f"stopped after {self._pages_of_pass:,} pages, with more announced")
        self.number += 1
        return None

    def _end(self) -> Verdict | None:
        # One page that nothing was announced behind is seen at one instant; anything else may have shifted.
        verdict = self._end_of_pass(doubt=self._productive > 1 or (self._announced and self._pages_of_pass > 1))
        if verdict is None:
            self.number, self._must_be_last, self._announced = self.first, False, False
        return verdict

"""When to ask for the next page, and what to conclude at the end. Pure: no HTTP, no clock.

Both APIs can lie about their pages (a cursor that comes again, a last page repeated for ever). A walk looks at each
page's facts and answers with the next request or with a verdict; it never goes on for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from order_assets.clients.errors import Reason

MAX_PAGES = 20_000  # 500,000 orders of one Scalev customer; beyond belief, so the walk is going round
MAX_EMPTY_PAGES = 20


class Status(StrEnum):
    """States of a crawl in `ops.crawls.status`."""

    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a crawl of one account ended: only `complete` says that every order of the account was seen."""

    status: Status
    reason: Reason
    words: str

    @property
    def is_complete(self) -> bool:
        """Whether the whole history was seen."""
        return self.status is Status.COMPLETE


COMPLETE = Verdict(Status.COMPLETE, Reason.OK, "the API said there is no further page")


def incomplete(reason: Reason, words: str) -> Verdict:
    """Return the verdict for a walk that had to stop early; what was fetched is still good."""
    return Verdict(Status.INCOMPLETE, reason, words)


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a walk needs to know of a page. `keys` are order identifiers in page order."""

    keys: tuple[str, ...]
    more: bool
    next_cursor: str | None = None


@dataclass(slots=True)
class CursorWalk:
    """Scalev: follow `next_cursor` while `has_next`.

    The end is `has_next` false (or absent without a cursor). A cursor that was sent before, at any distance, ends
    the walk as incomplete; so do a page whose orders were all seen before, and a `has_next` without a cursor.
    """

    max_pages: int = MAX_PAGES
    cursor: str | None = None
    pages: int = 0
    duplicates: int = 0
    _sent: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _empty: int = 0

    def advance(self, page: PageFacts) -> Verdict | None:
        """Take in one page; return None to go on with `cursor`, or the verdict."""
        self.pages += 1
        repeated = _take_keys(self, page)
        if not page.more:
            return COMPLETE
        if page.next_cursor is None or not page.next_cursor.strip():
            return incomplete(Reason.CURSOR_MISSING, f"page {self.pages} announces more but names no cursor")
        if page.next_cursor in self._sent:
            return incomplete(Reason.CURSOR_REPEATED, f"page {self.pages} names a cursor that was already followed")
        if repeated:
            return incomplete(Reason.PAGE_REPEATED, f"page {self.pages} brought only orders of earlier pages")
        if self._empty > MAX_EMPTY_PAGES:
            return incomplete(Reason.PAGE_REPEATED, f"{self._empty} empty pages in a row, and always more announced")
        if self.pages >= self.max_pages:
            return incomplete(Reason.PAGE_CAP, f"stopped after {self.pages:,} pages, with more announced")
        self._sent.add(page.next_cursor)
        self.cursor = page.next_cursor
        return None


@dataclass(slots=True)
class NumberWalk:
    """KTSP: count pages up from `number` until `morePage` is false or absent, or a page is empty.

    Where the vendor counts from 1, pages 0 and 1 are the same page; that repeat alone is harmless. Any later page
    whose orders were all seen before means that the last page is repeated for ever, and ends the walk as incomplete.
    """

    number: int = 0
    max_pages: int = MAX_PAGES
    pages: int = 0
    duplicates: int = 0
    _seen: set[str] = field(default_factory=set)
    _empty: int = 0

    def advance(self, page: PageFacts) -> Verdict | None:
        """Take in one page; return None to go on with `number`, or the verdict."""
        self.pages += 1
        repeated = _take_keys(self, page)
        if not page.more:
            return COMPLETE
        if not page.keys and self.pages > 1:  # an empty first page proves nothing where pages are counted from 1
            # The wording is soft ("may want to continue"): more announced and nothing on the page is a legal end.
            return COMPLETE
        if repeated and not (self.pages == 2 and self.number == 1):  # noqa: PLR2004 - the second page, numbered 1
            return incomplete(Reason.PAGE_REPEATED, f"page {self.number} brought only orders of earlier pages")
        if self.pages >= self.max_pages:
            return incomplete(Reason.PAGE_CAP, f"stopped after {self.pages:,} pages, with more announced")
        self.number += 1
        return None


def _take_keys(walk: CursorWalk | NumberWalk, page: PageFacts) -> bool:
    """Count duplicates; return whether the page is non-empty and brought nothing new."""
    seen = walk._seen  # noqa: SLF001 - both walks share this bookkeeping
    new = set(page.keys) - seen
    walk.duplicates += len(page.keys) - len(new)
    walk._empty = 0 if page.keys else walk._empty + 1  # noqa: SLF001 - likewise
    seen |= new
    return bool(page.keys) and not new

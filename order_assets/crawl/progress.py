"""Progress of a crawl and of a load, for whoever watches: the command line observes, Dagster's processes do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from order_assets.crawl.ledger import CrawlResult


@dataclass(frozen=True, slots=True)
class Observer:
    """Who watches: `account` takes each crawl that ended, `read` how many of how many orders of pages were loaded."""

    account: Callable[[CrawlResult], None]
    read: Callable[[int, int], None] = lambda _done, _total: None


_observer: ContextVar[Observer | None] = ContextVar("progress", default=None)


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Tell `observer` of what is done within this context."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def advance(result: CrawlResult) -> None:
    """Tell the observer, if there is one, of an account that ended."""
    observer = _observer.get()
    if observer is not None:
        observer.account(result)


def read(done: int, total: int) -> None:
    """Tell the observer, if there is one, how many orders of pages were loaded."""
    observer = _observer.get()
    if observer is not None:
        observer.read(done, total)

"""Progress of a crawl, for whoever watches: the command line sets an observer, Dagster's processes set none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from order_assets.crawl.ledger import CrawlResult

Observer = Callable[[CrawlResult], None]
_observer: ContextVar[Observer | None] = ContextVar("crawl_progress", default=None)


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Tell `observer` of each account that ends within this context."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def advance(result: CrawlResult) -> None:
    """Tell the observer, if there is one."""
    observer = _observer.get()
    if observer is not None:
        observer(result)

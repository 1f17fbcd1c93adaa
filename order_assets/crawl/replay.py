"""Replay: the marts derived anew from the raw pages, without the API, in one transaction.

Crawls are loaded in their order, as they were when they came, so the same rows come out: all columns are made of the
pages and the ledger, but `run_id` (the replay's) and, in summaries, `computed_at` of rows that changed. What differs is
the merchant's doing (policy, time zone, currency), or ours (a derivation that was corrected).

Once old pages are deleted (`retention`), an order whose first page is gone is derived on top of its former row, which
alone knows what that page said: when the order was first seen, whose it is, which statuses were observed. Where no page
shows it any more, the row stays as it was, and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from order_assets.crawl import facts, installation
from order_assets.crawl.encryption import Vault
from order_assets.settings import Settings
from order_assets.warehouse import checks, load, rebuild
from order_assets.warehouse.ledger_schema import crawls, order_pages, vanished_orders

# Temporary tables hold locks until the transaction ends, some forty per batch; the server has room for thousands.
_MOST_BATCHES = 100


class ReplayFailedError(RuntimeError):
    """What came out violates a check; everything stays as it was."""


@dataclass(frozen=True, slots=True)
class ReplayCounts:
    """What a replay did.

    `orders`: facts there are now; `added`, `changed`, `removed`: how many differ from before; `kept`: how many stayed
    as they were, since their pages are gone or unreadable. `unreadable`: crawls that could not be loaded.
    `months`: how many were summarised; `restated`: how many sums of published months changed (`ops.restatements`).
    """

    crawls: int
    orders: int
    added: int
    changed: int
    removed: int
    kept: int
    unreadable: tuple[int, ...]
    months: tuple[date, ...]
    restated: int


@dataclass(frozen=True, slots=True)
class Observer:
    """Who watches a replay: `progress` takes how many of how many crawls are done, `result` how it ended."""

    progress: Callable[[int, int], None]
    result: Callable[[ReplayCounts], None]


_observer: ContextVar[Observer | None] = ContextVar("replay_observer", default=None)


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Tell `observer` of the replay within this context, as the command line does through Dagster's run."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def replay(
    engine: sa.Engine,
    settings: Settings,
    run_id: str,
    *,
    since: datetime | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ReplayCounts:
    """Derive the marts anew; readers see them as they were until all of it is done.

    `since`: only orders on pages fetched since then.

    Raises:
        ReplayFailedError: a check that guards published sums is violated; nothing was changed.
    """
    observer = _observer.get()
    vault = Vault(settings.keys.encryption)
    with engine.begin() as connection:
        load.lock(connection)
        replayed = facts.fetched(connection, crawls.c.crawl_id.in_(_with_news(since)), since=since)
        rebuild.remember(connection)
        if since is None:
            rebuild.clear(connection)
        most = max(facts.BATCH_ORDERS, sum(crawl.items for crawl in replayed) // _MOST_BATCHES)
        batches = list(facts.batches(replayed, most))
        if len(batches) > 2 * _MOST_BATCHES:
            batches = list(facts.batches(replayed, most, one_per_account=False))
        unreadable: list[int] = []
        done = 0
        for batch in batches:
            unreadable += _load(connection, batch, vault, settings, run_id, since)
            done += len(batch)
            on_progress(done, len(replayed))
            if observer is not None:
                observer.progress(done, len(replayed))
        loaded = [crawl.crawl_id for crawl in replayed if crawl.crawl_id not in set(unreadable)]
        kept = rebuild.restore(connection, loaded, run_id, is_whole=since is None)
        months, restated = rebuild.publish(connection, run_id)
        _check(connection, settings)
        if since is None:
            installation.adopt_rules(connection, settings)
        difference = rebuild.difference(connection)
        counts = ReplayCounts(
            crawls=len(loaded),
            orders=difference.orders,
            added=difference.added,
            changed=difference.changed,
            removed=difference.removed,
            kept=kept,
            unreadable=tuple(unreadable),
            months=months,
            restated=restated,
        )
    if observer is not None:
        observer.result(counts)
    return counts


def _with_news(since: datetime | None) -> sa.Select[tuple[int]]:
    """Return the crawls that can make a difference: with a page that the crawl before did not have, or orders gone."""
    pages = (
        sa.select(crawls.c.crawl_id)
        .join(order_pages, order_pages.c.crawl_id == crawls.c.crawl_id)
        .where(facts.brings_news(since))
        .correlate(None)
    )
    gone = sa.select(vanished_orders.c.crawl_id).correlate(None)
    if since is not None:
        finished = sa.select(crawls.c.crawl_id).where(crawls.c.finished_at >= since).correlate(None)
        gone = gone.where(vanished_orders.c.crawl_id.in_(finished))
    both = sa.union(pages, gone).subquery()
    return sa.select(both.c.crawl_id)


def _load(
    connection: sa.Connection,
    batch: Sequence[int],
    vault: Vault,
    settings: Settings,
    run_id: str,
    since: datetime | None,
) -> list[int]:
    """Load a batch, and if that cannot be done, its crawls one by one; return those that could not be loaded."""
    try:
        with connection.begin_nested():
            merging = load.FactsLoad(connection, is_replay=True)
            for frames in facts.frames_of(connection, batch, vault, settings, since):
                merging.add(load.prepare(frames))
            merging.merge(batch, run_id, lambda: facts.frames_of(connection, batch, vault, settings, since))
            rebuild.drop_stages(connection)
    except Exception as error:
        if facts.is_of_the_database(error):
            raise
        if len(batch) == 1:
            return list(batch)
        return [bad for crawl_id in batch for bad in _load(connection, [crawl_id], vault, settings, run_id, since)]
    return []


def _check(connection: sa.Connection, settings: Settings) -> None:
    limits = settings.accounts.checks.model_dump()
    violated = [
        f"{check.table}: {check.name} ({finding.failing:,} rows, e.g. {', '.join(finding.examples[:3])})"
        for check in checks.CHECKS
        if check.is_blocking
        for finding in [checks.find(connection, check, limits)]
        if finding.failing
    ]
    if violated:
        raise ReplayFailedError(f"the replay was undone, since checks failed: {'; '.join(violated)}")

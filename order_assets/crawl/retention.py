"""Retention: raw pages that are older than the merchant keeps them are deleted; the facts they brought stay.

A batch is one transaction, oldest crawls first, so a kill leaves whole batches and the next run goes on. What a replay
makes of orders whose pages are gone is in `replay` and `warehouse.rebuild`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from order_assets.warehouse import load
from order_assets.warehouse.sql import statement

BATCH_CRAWLS = 500


@dataclass(frozen=True, slots=True)
class Purged:
    """How many bodies of pages were deleted, and how many bytes they had, encrypted as they were."""

    pages: int = 0
    bytes: int = 0


def purge(
    engine: sa.Engine,
    days: int,
    *,
    now: datetime | None = None,
    batch_crawls: int = BATCH_CRAWLS,
    on_batch: Callable[[Purged], None] = lambda _purged: None,
) -> Purged:
    """Delete the pages of crawls that ended more than `days` ago; waits for loads and replays, batch by batch.

    Pages that are not in the facts yet stay, however old, and so does a body that a younger page has as well.
    `on_batch` takes what was deleted so far. `now`: aware; default: the present.
    """
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    purged, last, touched = Purged(), 0, 0
    while True:
        with engine.begin() as connection:
            load.lock(connection)  # loads and replays decide which page a fact comes from
            which = {"after": last, "before": before, "crawls": batch_crawls}
            crawl_ids = list(connection.execute(statement("retention/crawls"), which).scalars())
            if not crawl_ids and not touched:
                return purged
            if not crawl_ids:  # once more from the start: what is gone now may have kept a body of an older crawl
                last, touched = 0, 0
                continue
            pages, size, rows = connection.execute(statement("retention/purge"), {"crawl_ids": crawl_ids}).one()
        last, touched = crawl_ids[-1], touched + rows
        purged = Purged(purged.pages + int(pages), purged.bytes + int(size))
        on_batch(purged)

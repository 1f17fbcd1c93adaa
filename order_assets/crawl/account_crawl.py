"""The crawl of one account: from its first page, its head, or where it was interrupted, to a verdict."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
import sqlalchemy as sa

from order_assets.clients.errors import ApiError, Reason
from order_assets.clients.http import requests_sent
from order_assets.clients.pagination import CursorWalk, PageFacts, Status, Verdict
from order_assets.crawl import known, verdict
from order_assets.crawl.encryption import DecryptionError
from order_assets.crawl.head import Head
from order_assets.crawl.ledger import Begun, CrawlResult, KeptPage, Ledger
from order_assets.crawl.walkers import Walker
from order_assets.domain.columns import one_indexable
from order_assets.domain.glance import glance
from order_assets.domain.keys import order_key
from order_assets.settings import Account

Mode = Literal["auto", "full", "head"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """How accounts are crawled.

    `mode`: whole histories (`full`), their heads as far as what is known allows (`head`), or heads unless the last
    look at the whole is older than `full_crawl_days` (`auto`). `late_days`: how long KTSP orders are looked at again.
    `shrink_fraction`: see `verdict.of_whole_history`; `allow_shrink` believes any loss. `busy_seconds`: how long to
    wait for an account that another run is crawling.
    """

    mode: Mode = "auto"
    full_crawl_days: float = 7.0
    late_days: int = 14
    shrink_fraction: float = 0.2
    allow_shrink: bool = False
    busy_seconds: float = 60.0


@dataclass(slots=True)
class AccountCrawl:
    """The crawl of one account; `run` it once."""

    account: Account
    walker: Walker
    engine: sa.Engine
    ledger: Ledger
    plan: Plan
    counts: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    last_items: int = 0
    contents: set[str] = field(default_factory=set)
    head: Head | None = None
    versions: dict[str, str] = field(default_factory=dict)
    held: dict[str, str | None] = field(default_factory=dict)
    is_known: bool = False
    stopped_early: bool = False

    async def run(self, begun: Begun) -> CrawlResult:
        """Crawl the account, which this session holds, to a verdict that is committed."""
        began = time.monotonic()
        requests_sent.set(self.counts)
        self.counts.update(requests=begun.requests, pages=begun.pages, bytes=begun.bytes)
        if begun.is_busy:
            ended = Verdict(Status.PARKED, Reason.TIMEOUT, "another run is crawling this account")
        elif begun.parked_until is not None:
            words = f"still parked: the API asked not to be asked before {begun.parked_until:%Y-%m-%d %H:%M} UTC"
            ended = Verdict(Status.PARKED, Reason.RATE_LIMITED, words, begun.parked_until)
        else:
            ended = await self._walk(begun)
        result = await self._result(begun, ended, began)
        await self.ledger.finish(result)
        return result

    async def _walk(self, begun: Begun) -> Verdict:
        """Walk from where the crawl left off, or from the first page, to a verdict."""
        self.is_known = begun.known.has_orders
        if self._may_stop_early(begun):
            self.head = Head(self.engine, self.account, begun.known, self.held)
        self.kept = begun.kept_pages
        ended = await asyncio.to_thread(self._go_over_kept_pages, begun) if self.kept else None
        while ended is None:
            page_no, cursor = self.walker.place
            walk = self.walker.walk
            try:
                raw, facts = await self.walker.fetch()
            except ApiError as error:
                if error.reason is Reason.CURSOR_REJECTED and isinstance(walk, CursorWalk) and walk.restart():
                    self.head = None
                    continue
                if error.page is not None:
                    await self._keep(begun, KeptPage.of(
                        self.kept + 1, walk.passes, page_no, cursor, error.page, items=None
                    ))  # fmt: skip
                return verdict.of_error(error, pages=self.counts["pages"], now=datetime.now(UTC))
            except sa.exc.SQLAlchemyError:
                raise  # the database is everybody's
            except Exception as error:  # noqa: BLE001 - one account's surprise must not stop the others
                _log.error("crawl %s of %s: %s", begun.crawl_id, self.account.partition_key, type(error).__name__)
                return Verdict(Status.FAILED, Reason.API_ERROR, f"unexpected {type(error).__name__}")
            self.counts.update(pages=1, bytes=len(raw.body))
            page = KeptPage.of(self.kept + 1, walk.passes, page_no, cursor, raw, items=len(facts.keys))
            if page.sha256 not in self.contents or walk.passes == 1:
                await self._keep(begun, page)
            ended = await self._advance(raw.content, facts)
        return ended

    async def _keep(self, begun: Begun, page: KeptPage) -> None:
        self.kept += 1
        self.contents.add(page.sha256)
        await self.ledger.keep(self.account, begun.crawl_id, page)

    async def _advance(self, content: bytes, facts: PageFacts) -> Verdict | None:
        if self.head is None and not self.is_known:
            return self._take(content, facts)
        return await asyncio.to_thread(self._take, content, facts)

    def _take(self, content: bytes, facts: PageFacts) -> Verdict | None:
        """Show a page to the walk and, while the head may be enough, to what is known. May block."""
        self.last_items = len(facts.keys)
        walk = self.walker.walk
        ended = walk.advance(facts)
        if self.head is None and not self.is_known:
            return ended  # nothing to compare with
        try:
            page = glance(self.account.source_system, content, self.account.source_account)
        except msgspec.DecodeError:
            self.head = None  # what cannot be compared must be walked
            return ended
        self.versions |= {order.order_key: order.payload_sha256 for order in page}
        if ended is not None or self.head is None or walk.passes > 1:
            return ended
        if self.head.is_enough(page, is_newest_first=walk.is_newest_first):
            self.stopped_early = True
            words = f"page {walk.pages} and everything older is known, final and unchanged"
            return Verdict(Status.COMPLETE, Reason.OK, words)
        if self.head.is_given_up:
            self.head = None
        return None

    def _go_over_kept_pages(self, begun: Begun) -> Verdict | None:
        """Let the walk see the pages that an interrupted crawl left, so that it goes on behind them. Blocks."""
        walk = self.walker.walk
        try:
            for raw in self.ledger.kept_pages(self.account, begun.crawl_id):
                ended = self._take(raw.content, self.walker.read(raw))
                if ended is not None or walk.passes > 1:
                    return ended
        except (ApiError, DecryptionError) as error:  # fetched anew from here
            _log.error("page of crawl %s cannot be read again: %s", begun.crawl_id, type(error).__name__)
        return None

    def _may_stop_early(self, begun: Begun) -> bool:
        what = begun.known
        if self.plan.mode == "full" or what.full_crawl_at is None or what.is_in_doubt or not what.is_newest_first:
            return False
        age = datetime.now(UTC) - what.full_crawl_at
        return self.plan.mode == "head" or age < timedelta(days=self.plan.full_crawl_days)

    async def _result(self, begun: Begun, ended: Verdict, began: float) -> CrawlResult:
        walk = self.walker.walk
        vanished: tuple[str, ...] = ()
        if ended.is_complete and not self.stopped_early and (begun.known.has_orders or self.walker.walk.gone):
            ended, vanished = await asyncio.to_thread(self._compare_with_known, begun, ended)
        seen = max(len(walk.seen), begun.orders_seen)
        new, changed = await self._count_news() if self.is_known else (seen, 0)
        return CrawlResult(
            crawl_id=begun.crawl_id,
            account=self.account,
            verdict=ended,
            mode="head" if self.stopped_early else "full",
            requests=self.counts["requests"],
            requests_saved=max(0, begun.known.pages - walk.pages) if self.stopped_early else 0,
            pages=self.counts["pages"],
            orders_seen=seen,
            orders_new=new,
            orders_changed=changed,
            duplicates=walk.duplicates,
            bytes=self.counts["bytes"],
            seconds=time.monotonic() - began,
            is_newest_first=walk.is_newest_first if ended.is_complete else None,
            oldest_open_at=begun.known.oldest_open_at,
            vanished=vanished,
        )

    async def _count_news(self) -> tuple[int, int]:
        """Count the orders that the facts do not hold, and those they hold in another version."""
        unasked = list(self.versions.keys() - self.held.keys())  # by the look at the head
        if unasked:
            self.held |= dict.fromkeys(unasked) | await asyncio.to_thread(self._versions, unasked)
        before = [(self.held[key], version) for key, version in self.versions.items()]
        return sum(held is None for held, _ in before), sum(held not in {None, now} for held, now in before)

    def _versions(self, order_keys: Sequence[str]) -> dict[str, str]:
        with self.engine.connect() as connection:
            return known.versions(connection, order_keys)

    def _compare_with_known(self, begun: Begun, ended: Verdict) -> tuple[Verdict, tuple[str, ...]]:
        """Find the orders that the whole history no longer holds, and distrust it where too many are gone."""
        walk, account = self.walker.walk, self.account
        if "" in walk.seen:
            return ended, ()  # an order without an identifier could be any of the missing ones
        listed, gone = ({one_indexable(order_id) for order_id in ids} for ids in (walk.listed, walk.gone))
        before: dict[str, tuple[str, datetime]] = {}
        if begun.known.has_orders:
            with self.engine.connect() as connection:
                before = known.listed(connection, account, begun.crawl_id)
        went_meanwhile = tuple(
            order_key(account.source_system, account.source_account, order_id)
            for order_id in sorted(gone - before.keys())
        )
        seen = [at for order_id, (_, at) in before.items() if order_id in listed]
        ended, vanished = verdict.of_whole_history(
            ended, before, listed,
            oldest_listed=min(seen, default=None),
            ends_with_full_page=self.last_items >= self.walker.page_size,
            shrink_fraction=None if self.plan.allow_shrink else self.plan.shrink_fraction,
        )  # fmt: skip
        return ended, vanished + went_meanwhile if ended.is_complete else ()

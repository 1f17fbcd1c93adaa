"""The crawl: many accounts at once in one process, each walked to a verdict, none able to hurt another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from order_assets.clients.errors import ApiError, Reason, SignInError
from order_assets.clients.http import RawPage, requests_sent
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import CursorWalk, NumberWalk, PageFacts, Status, Verdict
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl import verdict
from order_assets.crawl.credentials import KtspCredential, ScalevCredential
from order_assets.crawl.ledger import CrawlResult, KeptPage, Ledger
from order_assets.settings import Account

_KEEP_BYTES = 8 * 1024 * 1024  # pages of one account held in memory before they are written
_log = logging.getLogger(__name__)


class Walker(Protocol):
    """Fetches an account's pages in order and says when to stop."""

    @property
    def place(self) -> tuple[int, str | None]:
        """Number and cursor of the page that `fetch` asks for."""

    async def fetch(self) -> tuple[RawPage, PageFacts]:
        """Return the next page."""

    def advance(self, page: PageFacts) -> Verdict | None:
        """Take in the page; return the verdict if it was the last."""

    @property
    def duplicates(self) -> int:
        """Orders seen again so far."""


@dataclass(slots=True)
class ScalevWalker:
    """Walks the cursor pages of one customer."""

    client: ScalevClient
    credential: ScalevCredential
    walk: CursorWalk

    @property
    def place(self) -> tuple[int, str | None]:
        """Pages have no number of their own; they are counted from 1."""
        return self.walk.pages + 1, self.walk.cursor

    async def fetch(self) -> tuple[RawPage, PageFacts]:
        """Fetch the page at the cursor; a refused token is renewed once and the same cursor asked again."""
        store_id = self.credential.store.store_id
        token = await self.credential.access_token()
        try:
            return await self.client.orders_page(store_id, token, self.walk.cursor)
        except SignInError:
            token = await self.credential.renew(token)
            return await self.client.orders_page(store_id, token, self.walk.cursor)

    def advance(self, page: PageFacts) -> Verdict | None:
        """Follow the cursor."""
        return self.walk.advance(page)

    @property
    def duplicates(self) -> int:
        """Orders seen again so far."""
        return self.walk.duplicates


@dataclass(slots=True)
class KtspWalker:
    """Walks the numbered pages of one member."""

    client: KtspClient
    credential: KtspCredential
    walk: NumberWalk

    @property
    def place(self) -> tuple[int, str | None]:
        """The page number that is asked for."""
        return self.walk.number, None

    async def fetch(self) -> tuple[RawPage, PageFacts]:
        """Fetch the page; a refused token is renewed once."""
        member_id = self.credential.member.member_id
        token = await self.credential.access_token()
        try:
            return await self.client.orders_page(member_id, token, self.walk.number)
        except SignInError:
            token = await self.credential.renew(token)
            return await self.client.orders_page(member_id, token, self.walk.number)

    def advance(self, page: PageFacts) -> Verdict | None:
        """Go to the next number."""
        return self.walk.advance(page)

    @property
    def duplicates(self) -> int:
        """Orders seen again so far."""
        return self.walk.duplicates


async def crawl(
    work: Sequence[tuple[Account, Walker]],
    ledger: Ledger,
    *,
    at_once: int,
    on_result: Callable[[CrawlResult], None],
) -> list[CrawlResult]:
    """Crawl accounts, `at_once` of them at a time, and report each as it ends (in this thread).

    Errors of an account become its verdict. Errors of the database end the whole crawl, since nothing can be kept.
    """
    queue = list(reversed(work))
    results: list[CrawlResult] = []

    async def worker() -> None:
        while queue:
            account, walker = queue.pop()
            result = await _crawl_account(account, walker, ledger)
            results.append(result)
            on_result(result)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(work))):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the workers share one database, so the first tells the whole story
    return results


async def _crawl_account(account: Account, walker: Walker, ledger: Ledger) -> CrawlResult:
    began = time.monotonic()
    counter: Counter[str] = Counter()
    requests_sent.set(counter)
    crawl_id = await asyncio.to_thread(ledger.start, account)
    kept: list[KeptPage] = []
    held = 0
    ended: Verdict | None = None
    while ended is None:
        number, cursor = walker.place
        try:
            raw, facts = await walker.fetch()
        except ApiError as error:
            ended = verdict.of_error(error, pages=counter["pages"])
            if error.page is not None:
                kept.append(KeptPage.of(number, cursor, error.page, items=None))
            break
        except Exception as error:  # noqa: BLE001 - one account's surprise must not stop the others
            _log.error("crawl %s of %s: %s", crawl_id, account.partition_key, type(error).__name__)
            ended = Verdict(Status.FAILED, Reason.API_ERROR, f"unexpected {type(error).__name__}")
            break
        counter.update(pages=1, bytes=len(raw.body), items=len(facts.keys))
        kept.append(KeptPage.of(number, cursor, raw, items=len(facts.keys)))
        ended = walker.advance(facts)
        held += len(raw.body)
        if held > _KEEP_BYTES and ended is None:
            await asyncio.to_thread(ledger.keep, account, crawl_id, kept)
            kept, held = [], 0
    result = CrawlResult(
        crawl_id=crawl_id,
        account=account,
        verdict=ended,
        requests=counter["requests"],
        pages=counter["pages"],
        orders_seen=counter["items"] - walker.duplicates,
        duplicates=walker.duplicates,
        bytes=counter["bytes"],
        seconds=time.monotonic() - began,
    )
    await asyncio.to_thread(ledger.finish, result, kept)
    return result

"""The crawl: many accounts at once in one process, none able to hurt another."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from order_assets.crawl.account_crawl import AccountCrawl, Plan
from order_assets.crawl.ledger import Begun, CrawlResult, Ledger
from order_assets.crawl.session import Session
from order_assets.crawl.walkers import Walker
from order_assets.settings import Account

ACCOUNTS_AT_ONCE = 200  # requests in flight are limited by the gate; accounts that wait cost next to nothing
_OPENED_AT_ONCE = 100
_BUSY_SECONDS = 0.5

Work = tuple[Account, Walker]


async def crawl(
    work: Sequence[Work],
    engine: sa.Engine,
    session: Session,
    ledger: Ledger,
    plan: Plan,
    *,
    on_result: Callable[[CrawlResult], None],
    at_once: int = ACCOUNTS_AT_ONCE,
) -> list[CrawlResult]:
    """Crawl accounts, `at_once` of them at a time, and report each as it ends (in this thread).

    Errors of an account become its verdict. Errors of the database end the whole crawl, since nothing can be kept.
    """
    opening = _Opening(work, session, ledger, plan)
    results: list[CrawlResult] = []

    def let_go(ended: Sequence[Account]) -> None:
        for system in {account.source_system for account in ended}:
            session.let_go(system, [account.partition_key for account in ended if account.source_system == system])

    ledger.on_ended = let_go
    reading = engine.execution_options(isolation_level="AUTOCOMMIT")  # single statements: nothing to begin or to end

    async def worker() -> None:
        while (opened := await opening.next()) is not None:
            account, walker, begun = opened
            result = await AccountCrawl(account, walker, reading, ledger, plan).run(begun)
            results.append(result)
            on_result(result)

    try:
        async with ledger, asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(work))):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the workers share one database, so the first tells the whole story
    return results


class _Opening:
    """Hands out accounts that this session holds and whose crawls are open, taken in groups from the database."""

    def __init__(self, work: Sequence[Work], session: Session, ledger: Ledger, plan: Plan) -> None:
        self._waiting = deque(work)
        self._ready: deque[tuple[Account, Walker, Begun]] = deque()
        self._busy: list[Work] = []
        self._give_up_at = 0.0
        self._session = session
        self._ledger = ledger
        self._plan = plan
        self._late = timedelta(days=plan.late_days)
        self._turn = asyncio.Lock()

    async def next(self) -> tuple[Account, Walker, Begun] | None:
        """Return the next account, None if there is no more."""
        async with self._turn:
            while not self._ready:
                if self._waiting:
                    count = min(len(self._waiting), _OPENED_AT_ONCE)
                    group = [self._waiting.popleft() for _ in range(count)]
                    self._busy += await asyncio.to_thread(self._open, group)
                    self._give_up_at = time.monotonic() + self._plan.busy_seconds
                elif self._busy:
                    self._busy = await asyncio.to_thread(self._open, self._busy)
                    if self._busy and time.monotonic() > self._give_up_at:
                        await asyncio.to_thread(self._give_up)
                    elif not self._ready:
                        await asyncio.sleep(_BUSY_SECONDS)
                else:
                    return None
            return self._ready.popleft()

    def _open(self, group: Sequence[Work]) -> list[Work]:
        """Hold accounts and open their crawls; return those that another session has."""
        busy: list[Work] = []
        for system in dict.fromkeys(account.source_system for account, _ in group):
            mine = {account.partition_key: (account, walker) for account, walker in group
                    if account.source_system == system}  # fmt: skip
            ours = self._session.hold(system, list(mine))
            held = [account for key, (account, _) in mine.items() if key in ours]
            begun = self._ledger.begin(held, late=self._late, now=datetime.now(UTC))
            self._session.let_go(system, ours - begun.keys())
            self._ready.extend((*work, begun[key]) for key, work in mine.items() if key in begun)
            busy += [work for key, work in mine.items() if key not in ours]
        return busy

    def _give_up(self) -> None:
        """Let the accounts end that another run still has."""
        for account, walker in self._busy:
            begun = self._ledger.note_busy(account, late=self._late, now=datetime.now(UTC))
            self._ready.append((account, walker, begun))
        self._busy = []

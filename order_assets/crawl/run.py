"""One crawl run over accounts of one source: clients, credentials and walkers put together for `crawler.crawl`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from order_assets.accounts_file import ApiSection, KtspSection, ScalevSection
from order_assets.clients.http import Http, RetryPolicy, http_client
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import CursorWalk, NumberWalk
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl import roster
from order_assets.crawl.account_crawl import Mode, Plan
from order_assets.crawl.crawler import crawl
from order_assets.crawl.credentials import KtspCredential, KtspSignIn, ScalevCredential, stored_tokens
from order_assets.crawl.encryption import Vault
from order_assets.crawl.ledger import CrawlResult, Ledger
from order_assets.crawl.limiter import SharedGate
from order_assets.crawl.session import Session
from order_assets.crawl.walkers import KtspWalker, NoCredential, ScalevWalker, Walker
from order_assets.settings import Account, Settings, SourceSystem

OnResult = Callable[[CrawlResult], None]
Work = Coroutine[None, None, list[CrawlResult]]


@dataclass(frozen=True, slots=True)
class Run:
    """What the crawls of one run share."""

    settings: Settings
    engine: sa.Engine
    vault: Vault
    ledger: Ledger
    session: Session
    plan: Plan
    stored: Mapping[str, sa.Row[Any]]
    on_result: OnResult

    def gate(self, base_url: str, section: ApiSection) -> SharedGate:
        """Return the gate of the API at this address."""
        return SharedGate(
            self.engine,
            self.session,
            base_url,
            max_in_flight=section.max_in_flight,
            requests_per_second=section.requests_per_second,
            patience_seconds=self.settings.accounts.crawl.patience_seconds,
        )

    def retry(self) -> RetryPolicy:
        """Return how long to insist on one request."""
        return RetryPolicy(patience_seconds=self.settings.accounts.crawl.patience_seconds)

    async def crawl(self, work: Sequence[tuple[Account, Walker]]) -> list[CrawlResult]:
        """Crawl accounts of one API."""
        return await crawl(work, self.engine, self.session, self.ledger, self.plan, on_result=self.on_result)


def crawl_accounts(  # noqa: PLR0913 - what to crawl, with what, for whom, and how
    source_system: SourceSystem,
    keys: Collection[str],
    settings: Settings,
    engine: sa.Engine,
    run_id: str,
    on_result: OnResult,
    *,
    mode: Mode = "auto",
    allow_shrink: bool = False,
) -> list[CrawlResult]:
    """Crawl the configured and imported accounts of one source whose partition keys are given.

    `on_result` is called in this thread as each account ends.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM; accounts that were under way are closed as incomplete.
    """
    vault = Vault(settings.keys.encryption)
    ledger = Ledger(engine, vault, run_id)
    with engine.connect() as connection:
        found = roster.effective(connection, settings, vault, source_system, keys)
        stored = stored_tokens(connection, source_system, keys)
    plan = Plan(
        mode=mode,
        full_crawl_days=settings.accounts.crawl.full_crawl_days,
        late_days=settings.accounts.ktsp.late_days,
        shrink_fraction=settings.accounts.crawl.shrink_fraction,
        allow_shrink=allow_shrink,
    )
    with Session(engine) as session:
        run = Run(settings, engine, vault, ledger, session, plan, stored, on_result)
        lost: list[tuple[Account, Walker]] = [
            (Account(source_system, *key.partition("/")[::2], "UTC", "XXX"), NoCredential()) for key in found.left_out
        ]
        job = CRAWLS[source_system](run, getattr(found.sections, source_system), lost)
        try:
            return asyncio.run(_until_stopped(job))
        except BaseException:
            # Here, where no thread is left that could open another crawl. If the database is what failed, the next
            # crawl of each account goes on from what is kept.
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                ledger.close_interrupted()
            raise


async def _until_stopped(job: Work) -> list[CrawlResult]:
    """Run a crawl; Ctrl-C and SIGTERM cancel it and become KeyboardInterrupt.

    Without this, the signal's exception would surface inside the event loop, in whichever callback happened to run.
    """
    task = asyncio.ensure_future(job)
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for stop in (signal.SIGINT, signal.SIGTERM):
            before[stop] = signal.getsignal(stop)
            asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for stop, handler in before.items():
            asyncio.get_running_loop().remove_signal_handler(stop)
            signal.signal(stop, handler)


async def _crawl_scalev(run: Run, section: ScalevSection, lost: Sequence[tuple[Account, Walker]]) -> list[CrawlResult]:
    max_pages = run.settings.accounts.crawl.max_pages
    async with http_client(section.base_url, connections=section.max_in_flight) as http:
        client = ScalevClient(Http(http, run.gate(section.base_url, section)), section.page_size, run.retry())
        work: list[tuple[Account, Walker]] = [
            (
                Account("scalev", store.store_id, customer.name, store.time_zone, store.currency),
                ScalevWalker(
                    client,
                    ScalevCredential(run.engine, run.vault, client, store, customer, run.stored),
                    CursorWalk(max_pages),
                ),
            )
            for store in section.stores
            for customer in store.customers
        ]
        return await run.crawl([*work, *lost])


async def _crawl_ktsp(run: Run, section: KtspSection, lost: Sequence[tuple[Account, Walker]]) -> list[CrawlResult]:
    async with contextlib.AsyncExitStack() as stack:
        work: list[tuple[Account, Walker]] = []
        for programme in section.programmes:
            # Each programme may be another host, so each has limits of its own.
            http = await stack.enter_async_context(http_client(programme.base_url, connections=section.max_in_flight))
            client = KtspClient(
                Http(http, run.gate(programme.base_url, section)),
                programme.app_key.get_secret_value(),
                section.page_size,
                run.retry(),
            )
            sign_in = KtspSignIn(client, programme)
            for member in programme.members:
                walk = NumberWalk(
                    run.settings.accounts.crawl.max_pages, first=section.first_page, page_size=section.page_size
                )
                work.append((
                    Account("ktsp", programme.name, member.member_id, programme.time_zone, programme.currency),
                    KtspWalker(client, KtspCredential(sign_in, member), walk),
                ))  # fmt: skip
        return await run.crawl([*work, *lost])


CRAWLS: dict[SourceSystem, Callable[[Run, Any, Sequence[tuple[Account, Walker]]], Work]] = {
    "scalev": _crawl_scalev,
    "ktsp": _crawl_ktsp,
}
"""Crawls the accounts in a section of the accounts file, and those that have no credential any more."""

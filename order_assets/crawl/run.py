"""One crawl run over accounts of one source: clients, credentials and walkers put together for `crawler.crawl`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import sqlalchemy as sa

from order_assets.clients.http import Http, http_client
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import CursorWalk, NumberWalk
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl.crawler import KtspWalker, ScalevWalker, Walker, crawl
from order_assets.crawl.credentials import KtspCredential, KtspSignIn, ScalevCredential
from order_assets.crawl.encryption import Vault
from order_assets.crawl.ledger import CrawlResult, Ledger
from order_assets.crawl.limiter import Gate
from order_assets.settings import Account, Settings, SourceSystem

OnResult = Callable[[CrawlResult], None]


def crawl_accounts(
    source_system: SourceSystem,
    keys: Collection[str],
    settings: Settings,
    engine: sa.Engine,
    run_id: str,
    on_result: OnResult,
) -> list[CrawlResult]:
    """Crawl the configured accounts of one source whose partition keys are given.

    `on_result` is called in this thread as each account ends. Keys without a configured account are left out.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM; accounts that were under way are closed as incomplete.
    """
    vault = Vault(settings.keys.encryption)
    ledger = Ledger(engine, vault, run_id)
    jobs: dict[SourceSystem, Callable[..., Coroutine[None, None, list[CrawlResult]]]] = {
        "scalev": _crawl_scalev,
        "ktsp": _crawl_ktsp,
    }
    job = jobs[source_system](frozenset(keys), settings, engine, vault, ledger, on_result)
    try:
        return asyncio.run(_until_stopped(job))
    except BaseException:
        # Here, where no thread is left that could open another crawl. If the database is what failed, the next
        # crawl of each account closes what stayed open.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            ledger.close_interrupted()
        raise


async def _until_stopped(job: Coroutine[None, None, list[CrawlResult]]) -> list[CrawlResult]:
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


async def _crawl_scalev(
    keys: Collection[str], settings: Settings, engine: sa.Engine, vault: Vault, ledger: Ledger, on_result: OnResult
) -> list[CrawlResult]:
    section = settings.accounts.scalev
    gate = Gate(max_in_flight=section.max_in_flight, requests_per_second=section.requests_per_second)
    async with http_client(section.base_url, connections=section.max_in_flight) as http:
        client = ScalevClient(Http(http, gate), page_size=section.page_size)
        work: list[tuple[Account, Walker]] = []
        for store in section.stores:
            for customer in store.customers:
                account = Account("scalev", store.store_id, customer.name, store.time_zone, store.currency)
                if account.partition_key in keys:
                    credential = ScalevCredential(engine, vault, client, store, customer)
                    work.append((account, ScalevWalker(client, credential, CursorWalk())))
        return await crawl(work, ledger, at_once=section.max_in_flight, on_result=on_result)


async def _crawl_ktsp(
    keys: Collection[str], settings: Settings, engine: sa.Engine, vault: Vault, ledger: Ledger, on_result: OnResult
) -> list[CrawlResult]:
    del engine, vault  # this source's tokens are not kept
    section = settings.accounts.ktsp
    results: list[CrawlResult] = []
    for programme in section.programmes:
        # Each programme may be another host, so each has limits of its own.
        gate = Gate(max_in_flight=section.max_in_flight, requests_per_second=section.requests_per_second)
        async with http_client(programme.base_url, connections=section.max_in_flight) as http:
            client = KtspClient(Http(http, gate), programme.app_key.get_secret_value(), page_size=section.page_size)
            sign_in = KtspSignIn(client, programme)
            work: list[tuple[Account, Walker]] = []
            for member in programme.members:
                account = Account("ktsp", programme.name, member.member_id, programme.time_zone, programme.currency)
                if account.partition_key in keys:
                    walker = KtspWalker(client, KtspCredential(sign_in, member), NumberWalk(number=section.first_page))
                    work.append((account, walker))
            results += await crawl(work, ledger, at_once=section.max_in_flight, on_result=on_result)
    return results

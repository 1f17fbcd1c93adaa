"""The parts of a crawl put together as the product does, against one sandbox and one database."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from order_assets import settings as configuration
from order_assets.accounts_file import KtspProgramme, ScalevStore
from order_assets.clients.http import Http, RetryPolicy, http_client
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import CursorWalk, NumberWalk
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl import accounts, crawler, facts
from order_assets.crawl.account_crawl import Plan
from order_assets.crawl.credentials import KtspCredential, KtspSignIn, ScalevCredential
from order_assets.crawl.encryption import Vault
from order_assets.crawl.ledger import CrawlResult, Ledger
from order_assets.crawl.session import Session
from order_assets.crawl.walkers import KtspWalker, ScalevWalker, Walker
from order_assets.sandbox.testing import RunningSandbox
from order_assets.sandbox.world import WorldSpec
from order_assets.settings import Account, Settings
from order_assets.warehouse.load import LoadCounts

FULL = Plan(mode="full", busy_seconds=0)
AUTO = Plan(mode="auto", busy_seconds=0)
SPEC = WorldSpec(seed=5, stores=2, customers_per_store=5, members=5, orders_per_account=6)


class Clock:
    """The sandbox's clock, moved by hand."""

    def __init__(self) -> None:
        """Start in the present of every token the sandbox hands out."""
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.now


async def no_wait(_seconds: float) -> None:
    """Let retries follow at once, but give other tasks their turn."""
    await asyncio.sleep(0)


@dataclass(slots=True)
class Installation:
    """One configured installation: what a process of the product holds while it crawls and loads."""

    engine: sa.Engine
    settings: Settings
    page_size: int = 25
    ktsp_page_size: int = 20
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=3, sleep=no_wait))

    @classmethod
    def of(
        cls, engine: sa.Engine, sandbox: RunningSandbox, *, page_size: int = 25, ktsp_page_size: int = 20
    ) -> Installation:
        """Configure everyone of the sandbox and write the roster."""
        made = cls(engine, configuration.load(sandbox.accounts_toml()), page_size, ktsp_page_size)
        made.sync()
        return made

    @property
    def vault(self) -> Vault:
        """The installation's vault."""
        return Vault(self.settings.keys.encryption)

    def sync(self) -> accounts.RosterChange:
        """Bring the roster up to date."""
        with self.engine.begin() as connection:
            return accounts.sync(connection, self.settings)

    def crawl(
        self,
        only: Collection[str] | None = None,
        *,
        at_once: int = 8,
        run_id: str = "run-1",
        plan: Plan = FULL,
    ) -> dict[str, CrawlResult]:
        """Crawl everyone, or only some, as one process does; return the results by partition key."""
        with Session(self.engine) as session:
            return asyncio.run(self._crawl(only, at_once, run_id, session, plan))

    async def _crawl(
        self, only: Collection[str] | None, at_once: int, run_id: str, session: Session, plan: Plan
    ) -> dict[str, CrawlResult]:
        reported: list[CrawlResult] = []
        async with AsyncExitStack() as stack:
            work: list[tuple[Account, Walker]] = []
            section = self.settings.accounts.scalev
            scalev = await stack.enter_async_context(http_client(section.base_url, connections=8))
            for store in section.stores:
                work += self.scalev_work(ScalevClient(Http(scalev), self.page_size, self.retry), store)
            for programme in self.settings.accounts.ktsp.programmes:
                ktsp = await stack.enter_async_context(http_client(programme.base_url, connections=8))
                work += self.ktsp_work(
                    KtspClient(Http(ktsp), programme.app_key.get_secret_value(), self.ktsp_page_size, self.retry),
                    programme,
                )
            wanted = [(account, walker) for account, walker in work if only is None or account.partition_key in only]
            ledger = Ledger(self.engine, self.vault, run_id)
            results = await crawler.crawl(
                wanted, self.engine, session, ledger, plan, at_once=at_once, on_result=reported.append
            )
        assert results == reported
        return {result.account.partition_key: result for result in results}

    def scalev_work(self, client: ScalevClient, store: ScalevStore) -> list[tuple[Account, Walker]]:
        """Return each customer of a store with its walker."""
        return [
            (
                Account("scalev", store.store_id, customer.name, store.time_zone, store.currency),
                ScalevWalker(client, ScalevCredential(self.engine, self.vault, client, store, customer), CursorWalk()),
            )
            for customer in store.customers
        ]

    @staticmethod
    def ktsp_work(client: KtspClient, programme: KtspProgramme) -> list[tuple[Account, Walker]]:
        """Return each member of a programme with its walker; they share the sign-in."""
        sign_in = KtspSignIn(client, programme)
        return [
            (
                Account("ktsp", programme.name, member.member_id, programme.time_zone, programme.currency),
                KtspWalker(client, KtspCredential(sign_in, member), NumberWalk(page_size=client.page_size)),
            )
            for member in programme.members
        ]

    def load(self, run_id: str = "run-1") -> LoadCounts:
        """Load what was crawled."""
        return facts.load_pending(self.engine, self.settings, run_id)

    def rows(self, query: str, **values: Any) -> list[Mapping[str, Any]]:
        """Return the rows of a query as mappings."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(query), values).mappings()]

    def do(self, statement: str, **values: Any) -> None:
        """Run a statement in a transaction of its own."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

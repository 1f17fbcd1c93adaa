"""Accounts and crawl: the section of the accounts file, the walker, and the crawl of one run.

In the product: `accounts_file.py`, `crawl/walkers.py` and `crawl/run.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from order_assets.accounts_file import (
    AccountsFile,
    ApiSection,
    BaseUrl,
    Currency,
    Kind,
    Name,
    PositiveInt,
    Secret,
    StrictModel,
    Zone,
)
from order_assets.clients.http import Http, RawPage, http_client
from order_assets.clients.pagination import NumberWalk, PageFacts
from order_assets.crawl.ledger import CrawlResult
from order_assets.crawl.run import Run
from order_assets.crawl.walkers import Walker
from order_assets.settings import Account
from order_assets_tests.extending import corner_client
from order_assets_tests.extending.corner_client import CornerClient
from order_assets_tests.extending.corner_orders import SYSTEM


class CornerBuyer(StrictModel):
    """One buyer of a Corner shop."""

    buyer: Name
    key: Secret


class CornerShop(StrictModel):
    """One Corner shop."""

    name: Name
    base_url: BaseUrl
    time_zone: Zone = "Asia/Jakarta"
    currency: Currency = "IDR"
    buyers: tuple[CornerBuyer, ...] = ()


class CornerSection(ApiSection):
    """Everything below `[corner]`."""

    page_size: PositiveInt = 3
    shops: tuple[CornerShop, ...] = ()


class WithCorner(AccountsFile):
    """An accounts file that knows Corner too; in the product, one more field of `AccountsFile`."""

    corner: CornerSection = CornerSection()


_MODELS: Any = (CornerShop, CornerBuyer)  # in the product they join the unions of `Kind`
KIND = Kind(
    word="shop",
    source_model=_MODELS[0],
    sources="shops",
    source_name="name",
    source_secrets=(),
    person_model=_MODELS[1],
    people="buyers",
    person_name="buyer",
    person_secrets=("key",),
)


@dataclass(slots=True)
class CornerWalker:
    """Walks the numbered pages of one buyer."""

    client: CornerClient
    buyer: CornerBuyer
    walk: NumberWalk

    @property
    def place(self) -> tuple[int | None, str | None]:
        """The page number."""
        return self.walk.number, None

    @property
    def page_size(self) -> int:
        """As the API has it."""
        return self.client.page_size

    async def fetch(self) -> tuple[RawPage, PageFacts]:
        """Fetch the page of the number; a key that is refused cannot be renewed."""
        return await self.client.orders_page(self.buyer.buyer, self.buyer.key.get_secret_value(), self.walk.number)

    def read(self, page: RawPage) -> PageFacts:
        """Read a page that was kept."""
        return corner_client.read_page(page)


async def crawl_corner(run: Run, section: CornerSection, lost: Sequence[tuple[Account, Walker]]) -> list[CrawlResult]:
    """Crawl the buyers of one run; one shop after another, since each is a host of its own."""
    results: list[CrawlResult] = []
    max_pages = run.settings.accounts.crawl.max_pages
    for shop in section.shops:
        async with http_client(shop.base_url, connections=section.max_in_flight) as http:
            client = CornerClient(Http(http, run.gate(shop.base_url, section)), section.page_size, run.retry())
            work: list[tuple[Account, Walker]] = [
                (
                    Account(SYSTEM, shop.name, buyer.buyer, shop.time_zone, shop.currency),
                    CornerWalker(client, buyer, NumberWalk(max_pages, first=1, page_size=section.page_size)),
                )
                for buyer in shop.buyers
            ]
            results += await run.crawl(work)
    return results + (await run.crawl(lost) if lost else [])

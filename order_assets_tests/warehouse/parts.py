"""Facts without a crawl: the sandbox's world as pages, derived by the domain and loaded."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import sqlalchemy as sa

from order_assets.domain import ktsp, scalev
from order_assets.domain.pages import Page
from order_assets.domain.recognition import Policy
from order_assets.sandbox.world import World, WorldSpec
from order_assets.warehouse.load import FactsLoad, LoadCounts, prepare
from order_assets.warehouse.summaries import MONTHLY_TABLES, stale_months, summarise

SPEC = WorldSpec(seed=3, stores=2, customers_per_store=4, members=4, orders_per_account=6)
_HMAC_KEY = "test"
_crawl_ids = count(1)


def load_world(
    engine: sa.Engine, world: World, only: Collection[str] | None = None, run_id: str = "run-1"
) -> LoadCounts:
    """Load the orders of the world, as a complete crawl of each account would bring them."""
    with engine.begin() as connection:
        load = FactsLoad(connection)
        pages = [page_of(world, account, next(_crawl_ids)) for account in world.accounts if not only or account in only]
        for derive, scope_is_ktsp in ((scalev.derive, False), (ktsp.derive, True)):
            mine = [page for page in pages if (page.source_account == "ktsp") is scope_is_ktsp]
            if mine:
                load.add(prepare(derive(mine, Policy(), _HMAC_KEY)))
        return load.merge([page.crawl_id for page in pages], run_id)


def summarise_all(engine: sa.Engine, run_id: str = "run-1") -> None:
    """Bring every summary up to date."""
    with engine.begin() as connection:
        for table in MONTHLY_TABLES:
            months = stale_months(connection, table)
            summarise(connection, table, months[0], months[-1], run_id)


def page_of(world: World, account: str, crawl_id: int = 1) -> Page:
    """Return the account's whole history as one page."""
    scope, _, _ = account.partition("/")
    key, zone, currency = ("items", "Asia/Hong_Kong", "HKD") if scope == "ktsp" else ("data", "Asia/Jakarta", "IDR")
    return Page(
        content=json.dumps({key: world.orders(account)}).encode(),
        source_account=scope,
        partition_key=account,
        time_zone=zone,
        currency_code=currency,
        fetched_at=datetime.now(UTC),
        crawl_id=crawl_id,
        page_number=1,
    )


def rows(engine: sa.Engine, query: str, **values: Any) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(query), values).mappings()]


def do(engine: sa.Engine, statements: str | Iterable[str], **values: Any) -> None:
    """Run statements in one transaction."""
    with engine.begin() as connection:
        for statement in [statements] if isinstance(statements, str) else statements:
            connection.execute(sa.text(statement), values)


def spoil_currencies(world: World, account: str, lines: Mapping[int, str]) -> list[str]:
    """Give the first line of some orders (by position) another currency; return their order ids."""
    changed = []
    for position, currency in lines.items():
        order = world.orders(account)[position]
        spoiled = [{**line, "currency": "IDR"} for line in order["orderlines"]]
        spoiled.append({**spoiled[0], "currency": currency})
        world.change_order(account, order["order_id"], {"orderlines": spoiled})
        changed.append(str(order["order_id"]))
    return changed

"""Parts of the tests of interrupted crawls: some long histories in small pages, a kill, what the facts must be then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.clients.errors import Reason
from order_assets.crawl.account_crawl import Plan
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets_tests.crawl.crawling_process import CrawlingProcess, Roadblock, accounts_file, until
from order_assets_tests.crawl.parts import Installation

SIZE = 5  # orders per page
FULL = Plan(mode="full")  # waits until the server has noticed that a process was killed
SPEC = WorldSpec(seed=61, stores=1, customers_per_store=5, members=5, orders_per_account=24)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Serve a world of some long histories, with a little latency, so that a kill finds something to interrupt."""
    with serve(SPEC, Options(latency_ms=5)) as running:
        yield running


@pytest.fixture
def installation(engine: sa.Engine, sandbox: RunningSandbox) -> Installation:
    """Configure everyone, with small pages."""
    return Installation.of(engine, sandbox, page_size=SIZE, ktsp_page_size=SIZE)


@pytest.fixture(params=["scalev", "ktsp"])
def account(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> str:
    """An account of many pages."""
    world = sandbox.world
    return world.stores[0].customers[1].account if request.param == "scalev" else world.members[1].account


def is_ktsp(account: str) -> bool:
    """Whether it is a member."""
    return account.startswith("ktsp/")


def pages_of(sandbox: RunningSandbox, account: str) -> int:
    """Return how many pages an uninterrupted pass takes."""
    orders = len(sandbox.world.orders(account))
    assert orders > 8 * SIZE
    # A full last page of numbered pages is followed by an empty one.
    return orders // SIZE + 1 if is_ktsp(account) else -(-orders // SIZE)


def rest_of(sandbox: RunningSandbox, account: str, kept: int) -> int:
    """Return how many requests are missing behind so many pages; numbered pages are read once more from the first."""
    pages = pages_of(sandbox, account)
    return 2 * pages - kept if is_ktsp(account) else pages - kept


def crawls_of(installation: Installation, account: str) -> list[Mapping[str, Any]]:
    """Return the ledger of an account."""
    return installation.rows("select * from ops.crawls where partition_key = :key order by crawl_id", key=account)


def kept_of(installation: Installation, account: str) -> list[int]:
    """Return the numbers of the pages that are kept, over all crawls of the account."""
    query = (
        "select page_number from raw.order_pages inner join ops.crawls using (crawl_id)"
        " where partition_key = :key order by crawl_id, page_number"
    )
    return [row["page_number"] for row in installation.rows(query, key=account)]


def crawl_and_kill(
    installation: Installation, sandbox: RunningSandbox, account: str, pages: int, folder: Path, *, asked: int
) -> None:
    """Let a process crawl an account until so many pages are committed and so many requests sent, and kill it."""
    sandbox.state.faults = Roadblock({account: asked - 1})
    url = installation.engine.url.render_as_string(hide_password=False)
    accounts = accounts_file(sandbox, page_size=SIZE)
    source: Any = "ktsp" if is_ktsp(account) else "scalev"
    with CrawlingProcess(url, accounts, folder, "killed", source, [account]) as process:
        process.go()
        until(lambda: sandbox.requests().get(account) == asked, "it waits at the roadblock")
        until(lambda: len(kept_of(installation, account)) == pages, "what it fetched is committed")
        process.kill()
    assert [crawl["status"] for crawl in crawls_of(installation, account)] == ["running"]
    sandbox.state.faults = Roadblock({})
    sandbox.reset_requests()


def code_of(order: Mapping[str, Any]) -> str:
    """Return the identifier of an order."""
    return str(order.get("order_id") or order["orderCode"])


def facts_of(installation: Installation) -> list[Mapping[str, Any]]:
    """Return what the facts say of every order, apart from when and by which run they learnt it."""
    passing = ("run_id", "first_seen_at", "last_seen_at", "last_changed_at")
    rows = installation.rows(
        "select l.partition_key, l.is_open, l.is_listed, f.* from marts.order_facts as f"
        " inner join ops.order_lineage as l using (order_key) order by order_key"
    )
    return [{name: value for name, value in row.items() if name not in passing} for row in rows]


def check_facts(installation: Installation, sandbox: RunningSandbox, *accounts: str) -> None:
    """The facts are those of the source, and those of a crawl that nobody interrupted; no crawl is left open."""
    facts = facts_of(installation)
    assert sorted((row["partition_key"], row["source_order_id"]) for row in facts) == sorted(
        (account, code_of(order)) for account in accounts for order in sandbox.world.orders(account)
    )
    assert [row for row in facts if not row["is_listed"]] == []
    assert (
        installation.rows("select * from ops.crawls where status = 'running' or loaded_at is null and pages > 0") == []
    )
    installation.do("truncate ops.accounts cascade")
    installation.do("truncate marts.order_facts cascade")
    installation.sync()
    results = installation.crawl(accounts, run_id="undisturbed")
    assert {result.verdict.reason for result in results.values()} == {Reason.OK}
    installation.load()
    assert facts_of(installation) == facts

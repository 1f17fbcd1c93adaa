"""A small sandbox for all tests, without faults at the start of each, clients for it, and one to be changed."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets_tests.sandbox.callers import KtspCaller, ScalevCaller

SPEC = WorldSpec(seed=7, stores=2, customers_per_store=6, members=5)


@pytest.fixture(scope="package")
def server() -> Iterator[RunningSandbox]:
    """One server for all tests of this folder."""
    with serve(SPEC) as running:
        yield running


@pytest.fixture
def sandbox(server: RunningSandbox) -> RunningSandbox:
    """The server with no faults and all counts at zero."""
    server.clear_faults()
    server.reset_requests()
    return server


@pytest.fixture
def http(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    """A client of the server."""
    with httpx.Client(base_url=sandbox.base_url) as client:
        yield client


@pytest.fixture
def account(sandbox: RunningSandbox) -> str:
    """The Scalev account with several pages."""
    return sandbox.world.stores[0].customers[1].account


@pytest.fixture
def scalev(sandbox: RunningSandbox, http: httpx.Client, account: str) -> ScalevCaller:
    """Its customer."""
    return ScalevCaller(sandbox, http, account)


@pytest.fixture
def ktsp(sandbox: RunningSandbox, http: httpx.Client) -> KtspCaller:
    """The KTSP application."""
    return KtspCaller(sandbox, http)


class Own:
    """A server for one test, which may change its world, with a customer and a member who have several pages."""

    def __init__(self, running: RunningSandbox, http: httpx.Client) -> None:
        """Signs both in."""
        self.sandbox = running
        self.world = running.world
        self.http = http
        self.account = running.world.stores[0].customers[1].account
        self.scalev = ScalevCaller(running, http, self.account)
        self.member_id = running.world.members[1].member_id
        self.member = f"ktsp/{self.member_id}"
        self.ktsp = KtspCaller(running, http)

    def ktsp_pages(self, size: int = 50) -> list[dict[str, Any]]:
        """The member's pages in turn."""
        pages = [self.ktsp.page(self.member_id, 0, size)]
        while pages[-1]["morePage"]:
            pages.append(self.ktsp.page(self.member_id, len(pages), size))
        return pages


@pytest.fixture
def own() -> Iterator[Own]:
    """A server whose world the test may change."""
    with serve(SPEC) as running, httpx.Client(base_url=running.base_url) as http:
        yield Own(running, http)

"""A small sandbox per module, without faults at the start of every test, and a client for it."""

from collections.abc import Iterator

import httpx
import pytest

from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec

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

"""Parts of the tests of politeness: a small world, gates of a session, accounts that pass them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
import sqlalchemy as sa

from order_assets.clients.http import RawPage, requests_sent
from order_assets.crawl.limiter import SharedGate
from order_assets.crawl.session import Session
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec

HOST = "api.example"
LONG = 120.0  # far more than anything here takes, on any machine
SPEC = WorldSpec(seed=31, stores=1, customers_per_store=12, members=12, orders_per_account=12)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Serve a small world by the real clock, since the limiter waits by it; every answer takes a moment."""
    with serve(SPEC, Options(latency_ms=10)) as running:
        yield running


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """This process, as the others see it."""
    with Session(engine) as made:
        yield made


def gate_of(
    engine: sa.Engine, session: Session, *, limit: int = 1, rate: float = 1000.0, patience: float = 60.0
) -> SharedGate:
    """Return a gate to the only host."""
    return SharedGate(engine, session, HOST, max_in_flight=limit, requests_per_second=rate, patience_seconds=patience)


def answer(status: int = 200, **headers: str) -> RawPage:
    """Return an answer without a body."""
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return RawPage(status, named, "identity", b"", b"", datetime.now(UTC))


def in_seconds(seconds: float) -> str:
    """Return an instant as the API tells it."""
    return str(datetime.now(UTC).timestamp() + seconds)


def seconds_ahead(engine: sa.Engine, column: str) -> float | None:
    """Return how far in the future an instant of the host's pace is; None if it is not set."""
    query = sa.text(f"select extract(epoch from {column} - clock_timestamp())::float8 from ops.api_pace")  # noqa: S608
    with engine.connect() as connection:
        return connection.execute(query).scalar_one_or_none()


def places(engine: sa.Engine) -> list[int]:
    """Return the places that sessions have taken, in the order in which they came."""
    with engine.connect() as connection:
        return list(connection.execute(sa.text("select places from ops.api_leases order by session_id")).scalars())


def refuse(gate: SharedGate, accounts: int, **headers: str) -> None:
    """Let so many accounts be refused, one after another."""
    for _ in range(accounts):
        requests_sent.set(Counter())  # as the crawl does for each account
        gate.heed(answer(429, **headers))


class Visitors:
    """Accounts that pass gates; counts who is inside, and who was."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.inside = 0
        self.most = 0
        self.served: list[object] = []

    async def visit(self, gate: SharedGate, who: object, stay: Callable[[], Awaitable[object]] | None = None) -> None:
        """Pass once."""
        async with gate:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.served.append(who)
            await (asyncio.sleep(0) if stay is None else stay())
            self.inside -= 1


def run_bounded(test: Awaitable[None]) -> None:
    """Run a test, not for ever."""

    async def bounded() -> None:
        await asyncio.wait_for(test, LONG)

    asyncio.run(bounded())

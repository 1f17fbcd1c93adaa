"""A crawl's memory is that of a few pages, however long the history."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

_PROGRAM = """
import asyncio, json, resource, sys
import httpx, sqlalchemy as sa
from order_assets.clients.http import Http, http_client
from order_assets.clients.pagination import CursorWalk
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl.account_crawl import Plan
from order_assets.crawl.crawler import crawl
from order_assets.crawl.encryption import Vault
from order_assets.crawl.ledger import Ledger
from order_assets.crawl.session import Session
from order_assets.crawl.walkers import ScalevWalker
from order_assets.settings import Account, load_keys
from order_assets.warehouse.engine import connect
from pathlib import Path

url, state, orders = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
filler = "x" * 4000  # an order of the vendor's size

class Body(httpx.AsyncByteStream):
    def __init__(self, text):
        self.text = text
    async def __aiter__(self):
        yield self.text

def answer(request):
    start = int(request.url.params.get("next_cursor", 0))
    data = [{"order_id": f"o{n}", "id": f"u{n}", "created_at": "2026-01-01T00:00:00Z", "notes": filler}
            for n in range(start, min(start + 25, orders))]
    more = start + 25 < orders
    page = {"data": data, "is_paginated": True, "has_next": more, "next_cursor": str(start + 25) if more else None}
    return httpx.Response(200, stream=Body(json.dumps(page).encode()))

class Credential:
    class store:
        store_id = "s"
    async def access_token(self):
        return "t"

async def main():
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into ops.accounts (source_system, partition_key, source_account,"
            " display_name, time_zone, currency, state, origin, added_at)"
            " values ('scalev', 's/c', 's', 'c', 'UTC', 'IDR', 'active', 'file', now())"))
    async with http_client("http://api.test", connections=1, transport=httpx.MockTransport(answer)) as http:
        walker = ScalevWalker(ScalevClient(Http(http)), Credential(), CursorWalk())
        with Session(engine) as session:
            ledger = Ledger(engine, Vault(load_keys(state).encryption), "r")
            (result,) = await crawl([(Account("scalev", "s", "c", "UTC", "IDR"), walker)], engine, session, ledger,
                                    Plan(), on_result=lambda result: None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"peak_mb": peak, "orders": result.orders_seen, "reason": result.verdict.reason,
                      "words": result.verdict.words}))

asyncio.run(main())
"""


@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_the_history(database_url: str, tmp_path: Path) -> None:
    """Without it, a merchant's largest customer would end the run for want of memory."""
    peaks = {}
    for orders in (1_000, 100_000):
        ran = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", _PROGRAM, database_url, str(tmp_path), str(orders)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        told = json.loads(ran.stdout)
        assert (told["orders"], told["reason"]) == (orders, "ok"), told["words"]
        peaks[orders] = told["peak_mb"]
        _empty(database_url)
    # 400 MB of pages went through; what remains are the identifiers of the orders, to tell what comes twice.
    assert peaks[100_000] < peaks[1_000] + 40, peaks


def _empty(database_url: str) -> None:
    engine = sa.create_engine(sa.make_url(database_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("truncate ops.accounts cascade"))
    engine.dispose()

"""`python -m bench.floor`: the least work that gives the same tables. Fetch, decode, COPY ready rows, summarise.

No Dagster, no ledger, no archive, no merge, no checks. The rows to copy were taken from this project's own tables, and
go into the same tables with the same keys; the summary statements are the project's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa

from order_assets.domain import ktsp_page, scalev_page
from order_assets.warehouse import engine as warehouse
from order_assets.warehouse import summaries

TABLES = (
    "dim_store",
    "dim_customer",
    "order_facts",
    "order_line_facts",
    "discount_facts",
    "order_status_events",
    "order_lifecycle",
)


def export(url: str, folder: Path) -> None:
    """Write the rows of the fact tables to files, for `main` to copy."""
    engine = warehouse.connect(url)
    with engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        for table in TABLES:
            query = f"copy marts.{table} to stdout"
            with (folder / table).open("wb") as file, raw.cursor() as cursor, cursor.copy(query) as rows:
                for block in rows:
                    file.write(block)
    engine.dispose()


async def _fetch(base_url: str, accounts: list[dict[str, str]], in_flight: int) -> int:
    """Fetch and decode every page, as many accounts at once as may be in flight; return the orders."""
    orders = 0
    waiting = iter(accounts)

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal orders
        for account in waiting:
            number, cursor, more = 0, None, True
            while more:
                if account["source"] == "scalev":
                    url = f"{base_url}/v3/stores/{account['owner']}/customers/me/orders?page_size=25"
                    url += f"&next_cursor={cursor}" if cursor else ""
                    headers = {"Authorization": f"Bearer {account['token']}"}
                    async with session.get(url, headers=headers) as answer:
                        content = await answer.read()
                    orders += len(scalev_page.decode(content))
                    tail = json.loads(b"{" + content[content.rindex(b'"is_paginated"') :])
                    cursor, more = tail["next_cursor"], tail["has_next"]
                else:
                    asked = {"pageNo": number, "pageSize": 200, "memberId": account["owner"]}
                    async with session.post(f"{base_url}/v1/order/list", json=asked) as answer:
                        content = await answer.read()
                    orders += len(ktsp_page.decode(content))
                    more = b'"morePage":true' in content
                    number += 1

    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(worker(session))
    return orders


def _copy(engine: sa.Engine, folder: Path) -> None:
    for table in TABLES:
        with engine.begin() as connection:
            raw: Any = connection.connection.driver_connection
            query = f"copy marts.{table} from stdin"
            with (folder / table).open("rb") as file, raw.cursor() as cursor, cursor.copy(query) as rows:
                while block := file.read(2**20):
                    rows.write(block)


def _summarise(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("analyze marts.order_facts, marts.order_line_facts, marts.discount_facts"))
        months = sa.text("select date_trunc('month', min(order_date))::date, max(order_date) from marts.order_facts")
        first, last = connection.execute(months).one()
    for table in summaries.MONTHLY_TABLES:
        with engine.begin() as connection:
            summaries.summarise(connection, table, first, last, "floor")
    for table in summaries.WHOLE_TABLES:
        with engine.begin() as connection:
            summaries.set_as_of(connection, date(2026, 11, 1), "floor")
            summaries.summarise_whole(connection, table, date(2026, 11, 1), "floor")


def main() -> None:
    """Do it once; print the seconds of each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    args = parser.parse_args()
    task = json.load(sys.stdin)
    engine = warehouse.connect(task["database_url"])
    seconds: dict[str, float] = {}
    began = time.monotonic()
    orders = asyncio.run(_fetch(task["base_url"], task["accounts"], task["in_flight"]))
    seconds["fetch and decode"] = time.monotonic() - began
    began = time.monotonic()
    _copy(engine, args.folder)
    seconds["copy"] = time.monotonic() - began
    began = time.monotonic()
    _summarise(engine)
    seconds["summarise"] = time.monotonic() - began
    sys.stdout.write(json.dumps({"orders": orders, "seconds": seconds}))


if __name__ == "__main__":
    main()

"""`python -m bench.fetching`: the project's client alone, many accounts at once, against the API's latency."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

from order_assets.clients.http import Http, http_client
from order_assets.clients.scalev import ScalevClient

_TURNS = 60  # pages that each account in flight asks for


async def _pages_per_second(base_url: str, store: str, tokens: list[str]) -> float:
    async with http_client(base_url, connections=len(tokens)) as http:
        client = ScalevClient(Http(http))

        async def account(token: str) -> None:
            for _ in range(_TURNS):
                await client.orders_page(store, token, None)

        await asyncio.gather(*(client.orders_page(store, token, None) for token in tokens))  # opens the connections
        began = time.monotonic()
        await asyncio.gather(*(account(token) for token in tokens))
        return len(tokens) * _TURNS / (time.monotonic() - began)


def main() -> None:
    """Print pages per second with so many requests in flight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in-flight", type=int, nargs="+", required=True)
    args = parser.parse_args()
    task = json.load(sys.stdin)
    found = {
        in_flight: asyncio.run(_pages_per_second(task["base_url"], task["store"], task["tokens"][:in_flight]))
        for in_flight in args.in_flight
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()

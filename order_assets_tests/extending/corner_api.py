"""The route: Corner's API as a local server with made-up orders, and one fault. In the product: `sandbox`."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PAGE_SIZE = 3
TOKEN = "corner-token"  # noqa: S105 - of the fake


@dataclass
class CornerApi:
    """The truth, by buyer and newest first; changes show in the next answer. `endless`: buyers whose pages repeat."""

    orders: dict[str, list[dict[str, Any]]]
    endless: set[str] = field(default_factory=set)
    base_url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer `GET /buyers/{buyer}/orders?page=N`."""
        if request.headers.get("X-Api-Key") != TOKEN:
            return web.json_response({"error": "unknown key"}, status=401)
        buyer, page = request.match_info["buyer"], int(request.query["page"])
        if buyer not in self.orders:
            return web.json_response({"error": "no such buyer"}, status=404)
        first = 0 if buyer in self.endless else (page - 1) * PAGE_SIZE
        listed = self.orders[buyer][first : first + PAGE_SIZE]
        last = buyer not in self.endless and first + PAGE_SIZE >= len(self.orders[buyer])
        return web.json_response({"orders": listed, "last_page": last})


def order(number: int, status: str, **more: Any) -> dict[str, Any]:
    """Return an order of 100.00 less 10.00; times are in January 2026, on the day of the number."""
    placed = f"2026-01-{number:02}T09:00:00+07:00"
    times = {"paid_at": f"2026-01-{number:02}T10:00:00+07:00"} if status in {"paid", "done"} else {}
    if status == "cancelled":
        times["cancelled_at"] = f"2026-01-{number:02}T11:00:00+07:00"
    amounts = {"subtotal": "100.00", "discount": "10.00", "total": "90.00"}
    return {
        "number": f"C-{number}",
        "placed_at": placed,
        "status": status,
        "currency": "IDR",
        **times,
        **amounts,
        **more,
    }


@contextmanager
def serve(api: CornerApi) -> Iterator[CornerApi]:
    """Serve on a free port of 127.0.0.1 until the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    stopped, started = asyncio.Event(), threading.Event()

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/buyers/{buyer}/orders", api.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        started.set()
        await stopped.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        started.wait()
        api.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield api
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        listener.close()

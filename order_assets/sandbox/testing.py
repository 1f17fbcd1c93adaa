"""A sandbox inside the test process: the real server on a real port, with its world in reach."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from order_assets.sandbox.evolution import Changes
from order_assets.sandbox.faults import Fault
from order_assets.sandbox.server import accounts_toml, build_app
from order_assets.sandbox.state import SANDBOX, Options, Sandbox
from order_assets.sandbox.world import World, WorldSpec


@dataclass(frozen=True)
class RunningSandbox:
    """A server that answers at `base_url`.

    Attributes:
        base_url: without a slash at the end.
        world: the truth; changes to it show in the next answer.
        state: tokens, faults and counts of the server.
    """

    base_url: str
    world: World
    state: Sandbox

    def set_fault(self, account: str, text: str) -> None:
        """Switches a fault on, as `PUT /sandbox/faults/{account}`.

        Raises:
            ValueError: no such account, or no such fault for it.
        """
        if not self.world.has(account):
            raise ValueError(f"no account {account}")
        self.state.faults.put(account, Fault.parse(text))

    def clear_faults(self) -> None:
        """Switches all faults off."""
        self.state.faults.clear()

    def evolve(self, steps: int = 1) -> Changes:
        """Lets the world go on, as `POST /sandbox/evolve`."""
        return self.world.evolve(steps)

    def requests(self) -> dict[str, int]:
        """Order requests per account since the start or the last reset."""
        return dict(self.state.traffic.accounts)

    def traffic(self) -> dict[str, Any]:
        """Everything counted, as `GET /sandbox/requests`; `state.Traffic` says what each count is."""
        return self.state.traffic.as_json()

    def reset_requests(self) -> None:
        """Counts from zero."""
        self.state.traffic.reset()

    def accounts_toml(self) -> str:
        """The accounts file with fresh tokens."""
        return accounts_toml(self.state, self.base_url)

    def tokens(self, account: str) -> dict[str, Any]:
        """A fresh pair for a Scalev account: `access`, `refresh` and lifetimes."""
        return self.state.tokens.issue(account)


@contextmanager
def serve(spec: WorldSpec | None = None, options: Options | None = None) -> Iterator[RunningSandbox]:
    """Runs a sandbox in a thread with a loop of its own, on a free port of 127.0.0.1."""
    app = build_app(World(spec), options)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()
    started = threading.Event()

    async def main() -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        started.set()
        await stopped.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, name="sandbox", daemon=True)
    thread.start()
    try:
        started.wait()
        port = listener.getsockname()[1]
        yield RunningSandbox(f"http://127.0.0.1:{port}", app[SANDBOX].world, app[SANDBOX])
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        listener.close()

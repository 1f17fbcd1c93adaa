"""Politeness towards one API, shared by all processes through PostgreSQL.

How many requests may be in flight is divided among the processes that crawl (`ops.api_leases`), and when the next
request may start is a time in one row per host (`ops.api_pace`), from which each process takes a few starts at once.
What the API says of its limits (`X-Ratelimit-*`, 429) slows all of them down. Places that a process does not use for a
while go back to the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from types import TracebackType
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from order_assets.clients.errors import RateLimitedError
from order_assets.clients.http import (
    RawPage,
    remaining_requests,
    requests_sent,
    reset_seconds,
    retry_after_seconds,
)
from order_assets.crawl.session import Session
from order_assets.warehouse.ledger_schema import api_leases, api_pace
from order_assets.warehouse.sql import statement

_AHEAD_SECONDS = 0.25  # starts taken from the database at once; more would be unfair, fewer would be many round trips
_MOST_AHEAD = 64
_STALE_SECONDS = 0.5  # a start not used by then is given up, or several of them would come as a burst
_FULL_SECONDS = 0.1  # how soon to ask again while other processes have every place
_REST_SECONDS = 1.0  # how long places that nobody here asks for are kept from the other processes
_REFUSALS = 3  # accounts refused by 429 one after another: that concerns the whole host, and fewer only themselves
_FEW = 200  # with no more requests left in its window, the API's own count sets the pace


class SharedGate:
    """The gate of one host in this process; the limits are those of all processes together."""

    def __init__(
        self,
        engine: sa.Engine,
        session: Session,
        base_url: str,
        *,
        max_in_flight: int,
        requests_per_second: float,
        patience_seconds: float,
    ) -> None:
        """Allow `max_in_flight` requests at once and one start every 1/`requests_per_second` seconds."""
        self._engine = engine
        self._session = session
        self._host = urlsplit(base_url).netloc.rpartition("@")[2] or base_url
        self._max_in_flight = max_in_flight
        self._interval = self._own_interval = 1.0 / requests_per_second
        self._window_ends = 0.0  # by the event loop's clock; until then the API's count may set a longer interval
        # Where our own pace makes us queue for longer than that, it is nothing the API asked for.
        self._patience = max(patience_seconds, 2 * max_in_flight / requests_per_second)
        self._places = 0
        self._in_flight = 0
        self._starts: deque[float] = deque()
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()
        self._rest: asyncio.Task[None] | None = None
        self._is_resting = False
        self._refused: list[object] = []  # accounts, since the last answer that was no refusal

    async def __aenter__(self) -> None:
        """Wait for a place and for the next start; callers are served in the order they came.

        Raises:
            RateLimitedError: the API asked all of us for a longer wait than our patience.
        """
        async with self._turn:
            start = await self._next()
            self._in_flight += 1
        try:
            await asyncio.sleep(max(0.0, start - asyncio.get_running_loop().time()))
        except asyncio.CancelledError:
            self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self._leave()

    def _leave(self) -> None:
        self._in_flight -= 1
        self._left.set()

    async def _next(self) -> float:
        """Return when the caller may start, by the event loop's clock, with a place free for it."""
        clock = asyncio.get_running_loop().time
        self._is_resting = False
        while True:
            while self._starts and self._starts[0] < clock() - _STALE_SECONDS:
                self._starts.popleft()
            if self._starts and self._in_flight < self._places:
                return self._starts.popleft()
            if self._in_flight and self._in_flight >= self._places:
                self._left.clear()
                await self._left.wait()
                continue
            window = self._window_ends - clock()
            interval = self._interval if window > 0 else self._own_interval
            wanted = max(1, min(math.ceil(_AHEAD_SECONDS / interval), _MOST_AHEAD))
            delay = await asyncio.to_thread(self._reserve, wanted, interval, max(0.0, window))
            if delay is not None:
                first = clock() + delay
                self._starts.extend(first + i * interval for i in range(wanted))
                if self._rest is None or self._rest.done():
                    self._rest = asyncio.create_task(self._watch_rest())
            elif not self._in_flight:
                await asyncio.sleep(_FULL_SECONDS)

    async def _watch_rest(self) -> None:
        """Give back the places that nobody asked for during a while, until there are none left."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):  # whoever asks for a place next will meet the same
            while self._places:
                self._is_resting = True
                await asyncio.sleep(_REST_SECONDS)
                if self._is_resting and self._places > self._in_flight and not self._turn.locked():
                    async with self._turn:
                        await asyncio.to_thread(self._give_back)

    def _give_back(self) -> None:
        mine = sa.and_(api_leases.c.host == self._host, api_leases.c.session_id == self._session.session_id)
        with self._engine.begin() as connection:
            connection.execute(sa.update(api_leases).where(mine).values(places=self._in_flight))
            self._places = self._in_flight

    def _reserve(self, wanted: int, interval: float, window: float) -> float | None:
        """Take our share of the places and the next starts; return the seconds to the first, None without a place.

        Args:
            wanted: how many starts.
            interval: seconds from one to the next.
            window: for how many seconds the API's own count makes the interval longer than ours.
        """
        pace = insert(api_pace).values(host=self._host, next_start=sa.func.clock_timestamp())
        with self._engine.begin() as connection:
            # Locks the host's row, so that processes divide one after another.
            connection.execute(pace.on_conflict_do_update(index_elements=["host"], set_={"host": pace.excluded.host}))
            lease = {
                "host": self._host, "session_id": self._session.session_id, "limit": self._max_in_flight,
                "in_flight": self._in_flight,
            }  # fmt: skip
            self._places = int(connection.execute(statement("pace/lease"), lease).scalar_one())
            if self._places <= self._in_flight:
                return None
            taken = {
                "host": self._host, "wait": self._patience, "window": window, "seconds": wanted * interval,
                "own_seconds": wanted * self._own_interval,
            }  # fmt: skip
            delay = float(connection.execute(statement("pace/reserve"), taken).scalar_one())
        if delay > self._patience:
            raise RateLimitedError(f"the API asked everyone to wait, for {delay:.0f} s more", delay)
        return delay

    def heed(self, page: RawPage) -> None:
        """Follow the API's own count of what is left, and hold everyone back when the host as a whole refuses."""
        left, reset = remaining_requests(page.headers), reset_seconds(page.headers, now=page.fetched_at)
        if page.http_status == httpx.codes.TOO_MANY_REQUESTS:
            account = requests_sent.get(None)  # each account has a counter of its own
            if all(account is not refused for refused in self._refused):
                self._refused.append(account)
            if len(self._refused) >= _REFUSALS:
                wait = retry_after_seconds(page.headers, now=page.fetched_at)
                self._hold_back(wait if wait is not None else 2.0 ** min(len(self._refused), 5))
            return
        self._refused.clear()
        before, self._interval = self._interval, self._own_interval
        if left == 0 and reset:
            self._hold_back(reset)
        elif left is not None and left <= _FEW and reset:
            self._interval = max(self._own_interval, reset / left)
            self._window_ends = asyncio.get_running_loop().time() + reset
            if self._interval > 2 * before:
                self._starts.clear()  # taken at a pace that has become too fast

    def _hold_back(self, seconds: float) -> None:
        """Let nobody start before `seconds` have passed; starts already taken by this process are given up."""
        self._starts.clear()
        until = sa.func.clock_timestamp() + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(api_pace)
                .where(api_pace.c.host == self._host)
                .values(blocked_until=sa.func.greatest(api_pace.c.blocked_until, until))
            )

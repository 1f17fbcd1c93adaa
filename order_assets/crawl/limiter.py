"""Politeness towards one API: how many requests are in flight, and how many start per second."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Gate:
    """An async context manager around each request; callers wait in turn."""

    def __init__(self, *, max_in_flight: int, requests_per_second: float) -> None:
        """Allow `max_in_flight` at once and one start every 1/`requests_per_second` seconds."""
        self._places = asyncio.Semaphore(max_in_flight)
        self._interval = 1.0 / requests_per_second
        self._next_start = 0.0

    async def __aenter__(self) -> None:
        """Wait for a place and for the next start."""
        await self._places.acquire()
        now = asyncio.get_running_loop().time()
        start = max(now, self._next_start)
        self._next_start = start + self._interval
        if start > now:
            try:
                await asyncio.sleep(start - now)
            except asyncio.CancelledError:
                self._places.release()
                raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self._places.release()

"""What one running sandbox holds: the world, options, tokens, faults, counts and rendered pages.

Both APIs and the control routes share it through the key `SANDBOX` of the application.
"""

import gzip
import json
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from order_assets.sandbox.faults import BOTH, FaultBoard
from order_assets.sandbox.tokens import Signer, Tokens
from order_assets.sandbox.world import World

_CACHE_BYTES: Final = 256 * 2**20
_WINDOW_SECONDS: Final = 10


@dataclass(frozen=True)
class Options:
    """How the server behaves, apart from its data.

    Attributes:
        latency_ms: added to every API answer, in milliseconds.
        access_seconds: life of access and KTSP tokens.
        refresh_seconds: life of refresh tokens.
        rate_limit: Scalev requests per 10 seconds from all customers; 0 switches the limit off.
        ktsp_rate_limit: KTSP requests per 10 seconds, signing in included; 0 switches the limit off.
        ktsp_status_as_text: KTSP sends `status` and `errorCode` as strings, as its table has it.
        clock: Unix seconds now; tests move it.
    """

    latency_ms: float = 0.0
    access_seconds: int = 900
    refresh_seconds: int = 2_592_000
    rate_limit: int = 0
    ktsp_rate_limit: int = 0
    ktsp_status_as_text: bool = False
    clock: Callable[[], float] = time.time


@dataclass
class Traffic:
    """Counts since the start or the last reset.

    Attributes:
        accounts: order requests per account.
        refreshes: token refreshes per account.
        other: API requests that belong to no account.
        in_flight: requests now being answered, per API.
        max_in_flight: the most of them at once.
        refused: requests over the rate limit, per API.
        windows: the most requests that arrived within one second of the clock, per API.
    """

    accounts: Counter[str] = field(default_factory=Counter)
    refreshes: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    max_in_flight: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    windows: Counter[str] = field(default_factory=Counter)
    _seconds: dict[str, tuple[int, int]] = field(default_factory=dict)

    def arrived(self, api: str, second: int) -> None:
        """Counts a request to an API that came in this second."""
        self.in_flight[api] += 1
        self.max_in_flight[api] = max(self.max_in_flight[api], self.in_flight[api])
        latest, before = self._seconds.get(api, (second, 0))
        count = before + 1 if latest == second else 1
        self._seconds[api] = second, count
        self.windows[api] = max(self.windows[api], count)

    def as_json(self) -> dict[str, Any]:
        """The body of `GET /sandbox/requests`."""
        return {
            "total": self.accounts.total() + self.refreshes.total() + self.other.total(),
            "accounts": dict(self.accounts),
            "refreshes": dict(self.refreshes),
            "other": dict(self.other),
            "max_in_flight": {api: self.max_in_flight[api] for api in BOTH},
            "refused": {api: self.refused[api] for api in BOTH},
            "windows": {api: self.windows[api] for api in BOTH},
        }

    def reset(self) -> None:
        """Counts from zero; requests in flight stay counted as such."""
        for counter in (
            self.accounts,
            self.refreshes,
            self.other,
            self.max_in_flight,
            self.refused,
            self.windows,
            self._seconds,
        ):
            counter.clear()


class RateWindow:
    """A fixed window of 10 seconds with a number of requests, as Scalev's `X-Ratelimit-*` headers describe it."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        """A limit of 0 counts, but never refuses."""
        self._limit = limit
        self._clock = clock
        self._window = 0
        self._used = 0

    def take(self) -> tuple[bool, dict[str, str]]:
        """Counts one request: whether it is allowed, and the headers to send."""
        window = int(self._clock()) // _WINDOW_SECONDS
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        limit = self._limit or 1_000_000
        return self._used <= limit, {
            "X-Ratelimit-Limit": str(limit),
            "X-Ratelimit-Remaining": str(max(0, limit - self._used)),
            "X-Ratelimit-Reset": str((window + 1) * _WINDOW_SECONDS),
        }

    def seconds_left(self) -> int:
        """Whole seconds until the next window, at least one."""
        return _WINDOW_SECONDS - int(self._clock()) % _WINDOW_SECONDS


class Pages:
    """Rendered bodies, the least recently used dropped first."""

    def __init__(self) -> None:
        """Starts empty."""
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> bytes | None:
        """A body rendered before."""
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
        return body

    def put(self, key: Hashable, body: bytes) -> None:
        """Keeps a body."""
        self._bytes += len(body) - len(self._bodies.get(key, b""))
        self._bodies[key] = body
        while self._bytes > _CACHE_BYTES:
            self._bytes -= len(self._bodies.popitem(last=False)[1])


class Sandbox:
    """Everything a request may need."""

    def __init__(self, world: World, options: Options) -> None:
        """Derives keys and secrets from the seed of the world."""
        self.world = world
        self.options = options
        self.signer = Signer(world.spec.seed)
        self.tokens = Tokens(
            self.signer,
            options.clock,
            access_seconds=options.access_seconds,
            refresh_seconds=options.refresh_seconds,
        )
        self.app_key = "app_" + self.signer.derive("ktsp app key")
        self.app_secret = self.signer.derive("ktsp app secret")
        self.faults = FaultBoard()
        self.traffic = Traffic()
        self.rate = RateWindow(options.rate_limit, options.clock)
        self.ktsp_rate = RateWindow(options.ktsp_rate_limit, options.clock)
        self.pages = Pages()


SANDBOX: Final = web.AppKey("sandbox", Sandbox)


def dump(value: Any) -> bytes:
    """Compact JSON in UTF-8, keys in the order given; half a surrogate pair becomes its JSON escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def squeeze(body: bytes) -> bytes:
    """Gzip with nothing in it that changes from run to run."""
    return gzip.compress(body, compresslevel=6, mtime=0)


def wants_gzip(request: web.Request) -> bool:
    """Whether the client accepts gzip."""
    return "gzip" in request.headers.get("Accept-Encoding", "")


def send(body: bytes, *, zipped: bool) -> web.Response:
    """A JSON answer of 200 from a body that may be compressed already."""
    headers = {"Content-Encoding": "gzip"} if zipped else {}
    return web.Response(body=body, headers=headers, content_type="application/json", charset="utf-8")

"""One request, safely: time-outs, bounded retries with jitter, rate-limit headers, bodies kept as received.

What an answer means is decided in `scalev` and `ktsp`; when to ask again for the next page, in `pagination`.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from isal import isal_zlib

from order_assets.clients.errors import ContractError, RateLimitedError, Reason, TransientError

USER_AGENT = f"order-assets/{metadata.version('order-assets')} (+order history loader)"
MAX_BODY_BYTES = 64 * 1024 * 1024  # a page is about 1 MB at most; anything near this is not a page
LONGEST_WAIT_SECONDS = 86_400.0  # a server that asks for more than a day is taken not to have said anything
MAX_CONTENT_BYTES = 256 * 1024 * 1024  # a small body that unpacks to more is an attack or a fault
MAX_MEMBERS = 100  # of a gzip body; each costs a copy of what follows it, and nobody sends more than a few
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's numbers for the formats
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0

# httpx reports every request at INFO with its URL; the ledger already counts requests, and URLs name stores.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class RawPage:
    """One answer as it came over the wire.

    `body` is what the server sent under `content_encoding` ("gzip", "deflate" or "identity"); `content` is the
    same, decoded. `fetched_at` is aware UTC, taken when the last byte was read.
    """

    http_status: int
    headers: httpx.Headers
    content_encoding: str
    body: bytes = field(repr=False)
    content: bytes = field(repr=False)
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to insist. `patience_seconds` is the longest single wait a run accepts before it parks the account."""

    attempts: int = 4
    first_wait_seconds: float = 0.5
    patience_seconds: float = 60.0
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)


def http_client(
    base_url: str, *, connections: int, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """Return an httpx client on aiohttp's connection pool (httpx's own slows down with every open connection).

    TLS certificates are verified. Redirects are not followed: a token must not travel to another host.
    """
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    if transport is None:
        # A factory, because aiohttp wants its session made inside the running event loop.
        transport = AiohttpTransport(
            client=lambda: aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=300),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        )
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
    return httpx.AsyncClient(base_url=base_url, transport=transport, timeout=timeout, headers=headers)


class Gate(Protocol):
    """Politeness towards an API: every request passes it, every answer is shown to it."""

    async def __aenter__(self) -> object:
        """Wait until a request may start.

        Raises:
            RateLimitedError: the wait would be longer than the run's patience.
        """

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """The request is over."""

    def heed(self, page: RawPage) -> None:
        """Read what the answer says about the pace."""


class OpenGate:
    """A gate that lets everything pass at once: for tests and single calls."""

    async def __aenter__(self) -> None:
        """Go on."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to give back."""

    def heed(self, page: RawPage) -> None:
        """Nothing to slow down."""


requests_sent: ContextVar[Counter[str]] = ContextVar("requests_sent")
"""Where requests are counted (under "requests"), if the caller set a counter: every try, token calls included."""


@dataclass(frozen=True, slots=True)
class Http:
    """A client and the gate every request passes; the gate is held until the body is read."""

    client: httpx.AsyncClient
    gate: Gate = field(default_factory=OpenGate)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> httpx.Request:
        """Build a request for a path below the base URL, with no cookies: they would pass between accounts.

        httpx's own way parses the URL three times, which is a fifth of all that the client does for a page.
        """
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        return httpx.Request(
            method,
            f"{str(self.client.base_url).rstrip('/')}{path}{query}",
            headers={**self.client.headers, **(headers or {})},
            json=json,
            extensions={"timeout": self.client.timeout.as_dict()},
        )

    async def send(self, request: httpx.Request) -> RawPage:
        """Send once and read the whole body.

        Raises:
            TransientError: the connection failed, timed out or broke off (`timeout`, `server_error`).
            ContractError: the body is larger than any page can be (`bad_envelope`).
        """
        async with self.gate:
            counter = requests_sent.get(None)
            if counter is not None:
                counter["requests"] += 1
            page = await _send(self.client, request)
        self.gate.heed(page)
        return page


async def _send(client: httpx.AsyncClient, request: httpx.Request) -> RawPage:
    try:
        response = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise ContractError(Reason.BAD_ENVELOPE, f"the answer is larger than {MAX_BODY_BYTES:,} bytes")
        finally:
            await response.aclose()
    except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
        # 'from None': the chain of a transport error shows the request, and the request holds the token.
        cause = error.__cause__ or error  # httpx-aiohttp calls every lost connection a ConnectTimeout
        name = type(cause).__name__
        if isinstance(cause, httpx.TimeoutException | TimeoutError):
            raise TransientError(Reason.TIMEOUT, f"no answer in time ({name})") from None
        failure = TransientError(Reason.SERVER_ERROR, f"connection failed or broke off ({name})")
        failure.was_sent = not isinstance(cause, aiohttp.ClientConnectorError | httpx.ConnectError)
        raise failure from None
    encoding = response.headers.get("content-encoding", "identity").strip().lower() or "identity"
    raw = bytes(body)
    return RawPage(
        http_status=response.status_code,
        headers=response.headers,
        content_encoding=encoding,
        body=raw,
        content=decode(raw, encoding),
        fetched_at=datetime.now(UTC),
    )


def decode(body: bytes, content_encoding: str) -> bytes:
    """Undo the transfer's compression.

    Raises:
        TransientError: the compressed body is damaged (`bad_json`).
        ContractError: the server used an encoding nobody asked for, or the body unpacks to more than any page can be,
            or from more pieces (`bad_envelope`).
    """
    if content_encoding == "identity":
        return body
    if content_encoding not in _WINDOW_BITS:
        raise ContractError(Reason.BAD_ENVELOPE, f"unexpected content encoding {content_encoding[:40]!r}")
    content = bytearray()
    for _ in range(MAX_MEMBERS):  # a gzip body may be several members in a row
        unpacker = isal_zlib.decompressobj(_WINDOW_BITS[content_encoding])
        try:
            content += unpacker.decompress(body, MAX_CONTENT_BYTES + 1 - len(content))
        except isal_zlib.error:  # type: ignore[misc] # its stub takes the class for an instance
            raise TransientError(Reason.BAD_JSON, f"the {content_encoding} body is damaged") from None
        if len(content) > MAX_CONTENT_BYTES:
            raise ContractError(Reason.BAD_ENVELOPE, f"the answer unpacks to more than {MAX_CONTENT_BYTES:,} bytes")
        if not unpacker.eof:
            raise TransientError(Reason.BAD_JSON, f"the {content_encoding} body ends too early")
        body = unpacker.unused_data
        if not body:
            return bytes(content)
    raise ContractError(Reason.BAD_ENVELOPE, f"the {content_encoding} body is more than {MAX_MEMBERS} pieces")


def check_status(page: RawPage) -> None:
    """Raise for the statuses that mean the same in both APIs: 429 and 5xx.

    Raises:
        RateLimitedError: HTTP 429, with the wait the server asked for.
        TransientError: HTTP 5xx (`server_error`).
    """
    if page.http_status == httpx.codes.TOO_MANY_REQUESTS:
        wait = retry_after_seconds(page.headers, now=page.fetched_at)
        asked = "without saying for how long" if wait is None else f"and asks to wait {wait:.0f} s"
        raise RateLimitedError(f"the API answers 429 {asked}", wait)
    if page.http_status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise TransientError(Reason.SERVER_ERROR, f"the API answers {page.http_status}")


def retry_after_seconds(headers: httpx.Headers, *, now: datetime) -> float | None:
    """Seconds to wait by `Retry-After` (seconds or HTTP date), else by Scalev's `X-Ratelimit-Reset` (Unix seconds).

    Absurd values (negative, unreadable, more than a day) count as absent; Scalev documents the reset as an absolute
    time.
    """
    text = headers.get("retry-after", "").strip()
    if text:
        try:
            seconds = float(text)
        except ValueError:
            try:
                parsed = email.utils.parsedate_to_datetime(text)
            except (ValueError, OverflowError):
                seconds = -1.0
            else:
                when = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
                seconds = max((when - now).total_seconds(), 0.0)
        if 0 <= seconds <= LONGEST_WAIT_SECONDS:
            return seconds
    return reset_seconds(headers, now=now)


def reset_seconds(headers: httpx.Headers, *, now: datetime) -> float | None:
    """Seconds until `X-Ratelimit-Reset` (Unix seconds), None if it is absent or absurd."""
    try:
        reset = float(headers.get("x-ratelimit-reset", "")) - now.timestamp()
    except ValueError:
        return None
    return reset if 0 <= reset <= LONGEST_WAIT_SECONDS else None


def remaining_requests(headers: httpx.Headers) -> int | None:
    """Requests left in the present window by `X-Ratelimit-Remaining`, None if it is absent or absurd."""
    text = headers.get("x-ratelimit-remaining", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None  # noqa: PLR2004 - digits


async def with_retries(ask: Callable[[], Awaitable[RawPage]], policy: RetryPolicy) -> RawPage:
    """Call `ask` until it answers, at most `policy.attempts` times; only for requests that are safe to repeat.

    Raises:
        RateLimitedError: the server asks for a longer wait than the run's patience; the account should be parked.
        ApiError: the last error, when attempts are used up or the error is not a passing one.
    """
    for attempt in range(1, policy.attempts + 1):
        try:
            return await ask()
        except TransientError as error:
            wait = policy.first_wait_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
            if isinstance(error, RateLimitedError) and error.retry_after_seconds is not None:
                if error.retry_after_seconds > policy.patience_seconds:
                    raise
                wait = error.retry_after_seconds + wait
            if attempt == policy.attempts:
                raise
            await policy.sleep(wait)
    raise AssertionError("unreachable: the loop returns or raises")

"""One request: what goes wrong is named, bounded, and never shows a secret."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime

import aiohttp
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.clients import http
from order_assets.clients.errors import ContractError, RateLimitedError, Reason, SignInError, TransientError
from order_assets.clients.http import RawPage, requests_sent, retry_after_seconds, with_retries
from order_assets_tests.clients.fakes import (
    TOKEN,
    BreaksOff,
    Endless,
    OneChunk,
    RecordedSleep,
    ScriptedServer,
    all_texts_of,
    answer,
    error_of,
    http_of,
    raw_answer,
    retries,
)

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2025, 1, 1, 12, 0, 30, tzinfo=UTC)


async def send(server: ScriptedServer) -> RawPage:
    """Send one request that carries a token."""
    async with http_of(server) as connection:
        request = connection.request("GET", "/orders", headers={"Authorization": f"Bearer {TOKEN}"})
        page: RawPage = await connection.send(request)
        return page


def test_a_request_is_what_httpx_itself_would_build() -> None:
    """Without it, a cursor of odd characters, a time-out or a header could be lost: the URL is put together here."""
    params: dict[str, str | int] = {"page_size": 25, "next_cursor": "a+b/c= &é%20?#"}
    given = {"Authorization": f"Bearer {TOKEN}"}

    async def built() -> tuple[httpx.Request, httpx.Request]:
        async with http_of(ScriptedServer(answer({}))) as connection:
            path = "/v3/stores/a%2Fb/orders"
            ours = connection.request("GET", path, params=params, headers=given)
            return ours, connection.client.build_request("GET", path, params=params, headers=given)

    ours, theirs = asyncio.run(built())
    assert ours.url.params == theirs.url.params == httpx.QueryParams(params)
    assert ours.url.raw_path.partition(b"?")[0] == theirs.url.raw_path.partition(b"?")[0]
    assert ours.url.copy_with(query=None) == theirs.url.copy_with(query=None)
    assert ours.headers == theirs.headers
    assert ours.extensions == theirs.extensions


def test_cookies_stay_where_they_came() -> None:
    """Without it, what an API remembers of one account would be sent with the next one's token."""
    server = ScriptedServer(answer({}, set_cookie="session=of-the-first"))

    async def twice() -> None:
        async with http_of(server) as connection:
            for _ in range(2):
                await connection.send(connection.request("GET", "/orders"))

    asyncio.run(twice())
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": format_datetime(LATER, usegmt=True)}, 30.0),
        ({"retry-after": "Wed, 01 Jan 2025 12:00:30 -0000"}, 30.0),
        ({"retry-after": "Wed, 01 Jan 2025 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 99 Foo 2025 99:99:99 GMT"}, None),
        ({"x-ratelimit-reset": str(LATER.timestamp())}, 30.0),
        ({"X-Ratelimit-Reset": str(int(LATER.timestamp()))}, 30.0),
        ({"x-ratelimit-reset": "5"}, None),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "nan"}, None),
        ({"x-ratelimit-reset": "inf"}, None),
        ({"retry-after": "7", "x-ratelimit-reset": str(LATER.timestamp())}, 7.0),
        ({"retry-after": "soon", "x-ratelimit-reset": str(LATER.timestamp())}, 30.0),
    ],
)
def test_what_the_server_asks_for(headers: dict[str, str], expected: float | None) -> None:
    """Without it the run would hammer a server that asked for a pause, or park an account over a typing error."""
    assert retry_after_seconds(httpx.Headers(headers), now=NOW) == expected


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126)), st.sampled_from(["retry-after", "x-ratelimit-reset"])
)
def test_absurd_headers_never_raise(value: str, name: str) -> None:
    """Without it a typing error in a header would look like a bug of ours and fail the account."""
    wait = retry_after_seconds(httpx.Headers({name: value}), now=NOW)
    assert wait is None or 0 <= wait < float("inf")


def page(status: int = 200, **headers: str) -> RawPage:
    """An answer that was read."""
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return RawPage(status, named, "identity", b"{}", b"{}", NOW)


class Attempts:
    """A request that fails in the way of its script, the last one for ever."""

    def __init__(self, *script: Exception | RawPage) -> None:
        """Take the script."""
        self.script = script
        self.calls = 0

    async def __call__(self) -> RawPage:
        """Try once."""
        step = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        if isinstance(step, Exception):
            raise step
        return step


def test_passing_errors_are_tried_again() -> None:
    """Without it one cut connection would cost an account its crawl."""
    ask, sleep, good = (
        Attempts(TransientError(Reason.TIMEOUT, "x"), RateLimitedError("x", None), page()),
        RecordedSleep(),
        page(),
    )
    ask.script = (*ask.script[:2], good)
    assert asyncio.run(with_retries(ask, retries(sleep))) is good
    assert len(sleep.waits) == 2


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_retries_are_bounded(attempts: int) -> None:
    """Without it a server that is down would be asked for ever."""
    ask, sleep = Attempts(TransientError(Reason.SERVER_ERROR, "down")), RecordedSleep()
    assert error_of(with_retries(ask, retries(sleep, attempts=attempts))).reason is Reason.SERVER_ERROR
    assert ask.calls == attempts
    assert len(sleep.waits) == attempts - 1


def test_waits_grow_and_differ() -> None:
    """Without it all workers would come back in the same instant, and as fast as before."""
    sleep = RecordedSleep()
    for _ in range(20):
        error_of(with_retries(Attempts(TransientError(Reason.TIMEOUT, "x")), retries(sleep)))
    for attempt in range(3):
        waits = sleep.waits[attempt::3]
        assert all(0.25 * 2**attempt <= wait <= 0.75 * 2**attempt for wait in waits)
        assert len(set(waits)) > 1


@pytest.mark.parametrize("error", [SignInError(Reason.TOKEN_EXPIRED, "x"), ContractError(Reason.BAD_ENVELOPE, "x")])
def test_errors_that_stay_are_not_tried_again(error: Exception) -> None:
    """Without it a refused token would be sent four times."""
    ask, sleep = Attempts(error), RecordedSleep()
    assert error_of(with_retries(ask, retries(sleep))) is error
    assert (ask.calls, sleep.waits) == (1, [])


def test_asked_for_wait_is_kept() -> None:
    """Without it the run would come back before the server allows it."""
    sleep = RecordedSleep()
    error_of(with_retries(Attempts(RateLimitedError("x", 20.0)), retries(sleep)))
    assert len(sleep.waits) == 3
    assert all(20.0 < wait < 24.0 for wait in sleep.waits)


@pytest.mark.parametrize(("asked", "calls"), [(60.0, 4), (60.1, 1), (1e9, 1)])
def test_wait_beyond_patience_raises_at_once(asked: float, calls: int) -> None:
    """Without it one rate-limited account would hold a worker for an hour instead of being parked."""
    ask, sleep = Attempts(RateLimitedError("x", asked)), RecordedSleep()
    error = error_of(with_retries(ask, retries(sleep)))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_seconds == asked
    assert (ask.calls, len(sleep.waits)) == (calls, calls - 1)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(500, Reason.SERVER_ERROR), (502, Reason.SERVER_ERROR), (599, Reason.SERVER_ERROR), (429, Reason.RATE_LIMITED)],
)
def test_statuses_that_pass(status: int, reason: Reason) -> None:
    """Without it an overloaded server's answer would be read as a page."""
    with pytest.raises(TransientError) as caught:
        http.check_status(page(status, retry_after="3"))
    assert caught.value.reason is reason
    assert isinstance(caught.value, RateLimitedError) == (status == 429)


@pytest.mark.parametrize("status", [200, 204, 400, 401, 404, 418])
def test_statuses_left_to_the_clients(status: int) -> None:
    """Without it a refused token could be tried again like an overload."""
    http.check_status(page(status))


GOOD = b'{"data": []}'


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (GOOD, None),
        (GOOD, "identity"),
        (GOOD, ""),
        (gzip.compress(GOOD, mtime=0), "gzip"),
        (gzip.compress(GOOD, mtime=0), " GZIP "),
        (gzip.compress(GOOD, mtime=0), "x-gzip"),
        (gzip.compress(GOOD[:5], mtime=0) + gzip.compress(GOOD[5:], mtime=0), "gzip"),
        (zlib.compress(GOOD), "deflate"),
    ],
)
def test_bodies_are_kept_as_received(body: bytes, encoding: str | None) -> None:
    """Without it the archive would not hold what the server sent."""
    headers = {} if encoding is None else {"content-encoding": encoding}
    got = asyncio.run(send(ScriptedServer(raw_answer(body, 200, headers))))
    assert (got.body, got.content) == (body, GOOD)
    assert got.content_encoding == ((encoding or "").strip().lower() or "identity")
    assert got.fetched_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("body", "encoding", "kind", "reason"),
    [
        (gzip.compress(GOOD, mtime=0)[:-9], "gzip", TransientError, Reason.BAD_JSON),
        (b"\x1f\x8b" + bytes(20), "gzip", TransientError, Reason.BAD_JSON),
        (GOOD, "gzip", TransientError, Reason.BAD_JSON),
        (gzip.compress(GOOD, mtime=0)[:-4] + b"\0\0\0\0", "gzip", TransientError, Reason.BAD_JSON),
        (GOOD, "deflate", TransientError, Reason.BAD_JSON),
        (GOOD, "br", ContractError, Reason.BAD_ENVELOPE),
        (GOOD, "gzip, gzip", ContractError, Reason.BAD_ENVELOPE),
        (GOOD, "x" * 500, ContractError, Reason.BAD_ENVELOPE),
    ],
)
def test_damaged_and_unknown_encodings(body: bytes, encoding: str, kind: type[Exception], reason: Reason) -> None:
    """Without it a cut body could pass for a short page, or crash the crawl."""
    error = error_of(send(ScriptedServer(raw_answer(body, 200, {"content-encoding": encoding}))))
    assert type(error) is kind
    assert error.reason is reason
    assert len(error.words) < 120


def test_a_small_body_that_unpacks_to_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a few kilobytes from a faulty or hostile server would take the run's memory."""
    monkeypatch.setattr(http, "MAX_CONTENT_BYTES", 10_000)
    assert len(http.decode(gzip.compress(bytes(10_000)), "gzip")) == 10_000
    for body in (gzip.compress(bytes(10_001)), gzip.compress(bytes(6_000)) * 2):
        with pytest.raises(ContractError) as raised:
            http.decode(body, "gzip")
        assert raised.value.reason is Reason.BAD_ENVELOPE


def test_too_large_body_is_left() -> None:
    """Without it an endless answer would fill the memory of the run."""
    stream = Endless()
    error = error_of(send(ScriptedServer(lambda _request: httpx.Response(200, stream=stream))))
    assert isinstance(error, ContractError)
    assert error.reason is Reason.BAD_ENVELOPE
    assert stream.chunks <= http.MAX_BODY_BYTES // (1024 * 1024) + 1


CONNECTION_ERRORS: list[tuple[Exception, Reason]] = [
    (httpx.ConnectError(f"refused {TOKEN}"), Reason.SERVER_ERROR),
    (httpx.ReadError(f"reset {TOKEN}"), Reason.SERVER_ERROR),
    (httpx.RemoteProtocolError(f"bad {TOKEN}"), Reason.SERVER_ERROR),
    (httpx.ConnectTimeout(f"slow {TOKEN}"), Reason.TIMEOUT),
    (httpx.ReadTimeout(f"slow {TOKEN}"), Reason.TIMEOUT),
    (httpx.PoolTimeout(f"slow {TOKEN}"), Reason.TIMEOUT),
    (TimeoutError(f"slow {TOKEN}"), Reason.TIMEOUT),
    (aiohttp.ClientPayloadError(f"cut {TOKEN}"), Reason.SERVER_ERROR),
    (ConnectionResetError(f"reset {TOKEN}"), Reason.SERVER_ERROR),
]


@pytest.mark.parametrize(("failure", "reason"), CONNECTION_ERRORS, ids=lambda v: type(v).__name__)
def test_connection_errors_are_named_and_show_no_token(failure: Exception, reason: Reason) -> None:
    """Without it a cut connection would end the crawl as a bug, with the token in its traceback."""
    error = error_of(send(ScriptedServer(failure)))
    assert type(error) is TransientError
    assert error.reason is reason
    assert not [text for text in all_texts_of(error) if TOKEN in text]


def test_connection_lost_within_the_body() -> None:
    """Without it half a page could pass for a page."""
    error = error_of(send(ScriptedServer(lambda _request: httpx.Response(200, stream=BreaksOff()))))
    assert isinstance(error, TransientError)
    assert error.reason is Reason.SERVER_ERROR


def test_repr_of_a_page_shows_no_body() -> None:
    """Without it names and addresses could reach a log through a careless message."""
    got = asyncio.run(send(ScriptedServer(answer({"data": [TOKEN]}))))
    assert TOKEN.encode() in got.content
    assert TOKEN not in repr(got)


def test_redirects_are_not_followed() -> None:
    """Without it a token could travel to another host."""
    server = ScriptedServer(answer({}, 302, location="https://elsewhere.test/"))
    assert asyncio.run(send(server)).http_status == 302
    assert [request.url.host for request in server.requests] == ["api.test"]


def test_what_every_request_carries() -> None:
    """Without it a server could refuse us for having no name, or send an encoding we cannot read."""
    server = ScriptedServer(answer({}))
    asyncio.run(send(server))
    request = server.requests[0]
    assert str(request.url) == "https://api.test/base/orders"
    assert request.headers["user-agent"] == http.USER_AGENT
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip, deflate"


class OneAtATime:
    """A gate that counts who is inside."""

    def __init__(self) -> None:
        """Start empty."""
        self.inside = 0
        self.entered = 0
        self.heeded = 0

    async def __aenter__(self) -> None:
        """Go in."""
        self.inside += 1
        self.entered += 1

    async def __aexit__(self, *_error: object) -> None:
        """Go out."""
        self.inside -= 1

    def heed(self, page: http.RawPage) -> None:
        """Remember how often an answer was shown."""
        self.heeded += page.http_status == httpx.codes.OK


def test_gate_is_held_while_the_body_is_read_and_left_after_an_error() -> None:
    """Without it the limit of requests in flight would not hold, or shrink with every error."""
    gate = OneAtATime()

    def inside(_request: httpx.Request) -> httpx.Response:
        assert gate.inside == 1
        return httpx.Response(200, stream=OneChunk(GOOD))

    async def run() -> None:
        async with http_of(ScriptedServer(inside, httpx.ReadError("x"))) as plain:
            gated = http.Http(plain.client, gate)
            await gated.send(gated.request("GET", "/"))
            with pytest.raises(TransientError):
                await gated.send(gated.request("GET", "/"))

    asyncio.run(run())
    assert (gate.inside, gate.entered, gate.heeded) == (0, 2, 1)


def test_every_try_is_counted() -> None:
    """Without it the ledger would hide retries from whoever watches the rate limit."""
    counter: Counter[str] = Counter()

    async def run() -> None:
        requests_sent.set(counter)
        async with http_of(ScriptedServer(httpx.ReadError("x"), answer({}))) as connection:
            await with_retries(lambda: connection.send(connection.request("GET", "/")), retries())

    asyncio.run(run())
    assert counter["requests"] == 2


def test_default_transport_is_made_without_a_loop() -> None:
    """Without it the client could not be configured before the event loop runs."""
    client = http.http_client("https://api.test", connections=2)
    assert client.follow_redirects is False
    asyncio.run(client.aclose())

"""The two calls to Scalev: what is sent, and what each kind of answer means."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from order_assets.clients.errors import (
    AccountError,
    ApiError,
    ContractError,
    RateLimitedError,
    Reason,
    SignInError,
    TransientError,
)
from order_assets.clients.http import RawPage
from order_assets.clients.pagination import PageFacts
from order_assets.clients.scalev import ScalevClient, Tokens
from order_assets_tests.clients.fakes import (
    TOKEN,
    RecordedSleep,
    ScriptedServer,
    T,
    all_texts_of,
    answer,
    http_of,
    outcome,
    raw_answer,
    retries,
)
from order_assets_tests.factories import scalev_order, scalev_page

STORE = "store_A"
REFRESH = "canary-refresh-77"
KEY = "canary-sfpk-12"


def with_client(server: ScriptedServer, work: Callable[[ScalevClient], Awaitable[T]]) -> T | ApiError:
    """Run one call against the server."""

    async def run() -> T:
        async with http_of(server) as connection:
            return await work(ScalevClient(connection, retry=retries()))

    return outcome(run())


def fetch(server: ScriptedServer, cursor: str | None = None) -> tuple[RawPage, PageFacts] | ApiError:
    """Fetch one page."""
    return with_client(server, lambda client: client.orders_page(STORE, TOKEN, cursor))


def facts_of(body: Any) -> PageFacts:
    """What the walk learns from a good page."""
    result = fetch(ScriptedServer(answer(body)))
    assert not isinstance(result, ApiError), result
    return result[1]


def refresh(server: ScriptedServer) -> Tokens | ApiError:
    """Refresh the tokens."""
    return with_client(server, lambda client: client.refresh(STORE, KEY, REFRESH))


@pytest.mark.parametrize(
    ("cursor", "query"),
    [(None, {"page_size": "25"}), ("a+b/c==&x", {"page_size": "25", "next_cursor": "a+b/c==&x"})],
)
def test_request(cursor: str | None, query: dict[str, str]) -> None:
    """Without it the request could differ from the documented one, and cursors with signs break on the way."""
    server = ScriptedServer(answer(scalev_page([])))
    fetch(server, cursor)
    (request,) = server.requests
    assert request.method == "GET"
    assert request.url.path == "/base/v3/stores/store_A/customers/me/orders"
    assert dict(request.url.params) == query
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "x-scalev-storefront-api-key" not in request.headers
    assert request.content == b""


def test_store_id_cannot_leave_its_place_in_the_path() -> None:
    """Without it a typing error in the accounts file could send the token to another route."""
    server = ScriptedServer(answer(scalev_page([])))
    with_client(server, lambda client: client.orders_page("a/../b?c", TOKEN, None))
    assert server.requests[0].url.raw_path.startswith(b"/base/v3/stores/a%2F..%2Fb%3Fc/customers/me/orders")


@pytest.mark.parametrize(
    ("envelope", "more", "cursor"),
    [
        ({"data": [], "has_next": True, "next_cursor": "n"}, True, "n"),
        ({"data": [], "has_next": False, "next_cursor": None}, False, None),
        ({"data": [], "has_next": False, "next_cursor": "n"}, False, "n"),
        ({"data": [], "has_next": True}, True, None),
        ({"data": [], "is_paginated": True}, False, None),
        ({"data": [], "next_cursor": "n"}, True, "n"),
        ({"data": [], "has_next": None, "next_cursor": "n"}, True, "n"),
        ({"data": [], "next_cursor": ""}, False, ""),
        ({"data": [], "has_next": False, "new_field": {"a": [1]}}, False, None),
    ],
)
def test_envelope(envelope: dict[str, Any], more: bool, cursor: str | None) -> None:  # noqa: FBT001 - a column of the table
    """Without it a page without the optional fields could end the walk early, or as an error."""
    facts = facts_of(envelope)
    assert (facts.more, facts.next_cursor) == (more, cursor)


@pytest.mark.parametrize(
    ("orders", "keys"),
    [
        ([{"order_id": "250130A", "id": "u-1"}], ("250130A",)),
        ([{"order_id": None, "id": "u-1"}, {"id": "u-2"}, {"order_id": "", "id": 3}], ("u-1", "u-2", "3")),
        ([{"order_id": 123456789012345678901234567890}], ("123456789012345678901234567890",)),
        ([{"order_id": " 1 "}, {"order_id": "A/é"}], ("1", "A/é")),
        ([{}], ("",)),
        ([scalev_order()], ("250130JQHFZG",)),
    ],
)
def test_order_keys(orders: list[dict[str, Any]], keys: tuple[str, ...]) -> None:
    """Without it repeated pages could not be told from new ones."""
    assert facts_of({"data": orders}).keys == keys


def test_order_keys_with_broken_letters() -> None:
    """Without it one broken letter in one id would fail the whole account."""
    assert facts_of(b'{"data": [{"order_id": "1\xff"}, {"order_id": "2"}]}').keys == ("1\N{REPLACEMENT CHARACTER}", "2")


def test_page_is_kept_as_received() -> None:
    """Without it the archive would not hold what the server sent."""
    body = gzip.compress(scalev_page([scalev_order()]))
    result = fetch(ScriptedServer(raw_answer(body, 200, {"content-encoding": "gzip"})))
    assert not isinstance(result, ApiError)
    assert (result[0].body, result[0].content_encoding) == (body, "gzip")
    assert result[1].keys == ("250130JQHFZG",)


HTML = "<html><body>Bad gateway canary-token-8f3a</body></html>"


@pytest.mark.parametrize(
    ("response", "cursor", "kind", "reason", "requests", "kept"),
    [
        (answer({"error": "x"}, 401), None, SignInError, Reason.TOKEN_EXPIRED, 1, False),
        (answer({"error": "x"}, 401), "c", SignInError, Reason.TOKEN_EXPIRED, 1, False),
        (answer({"error": "x"}, 400), "c", ContractError, Reason.CURSOR_REJECTED, 1, True),
        (answer({"error": "x"}, 400), None, ContractError, Reason.API_ERROR, 1, True),
        (answer({"error": "x"}, 403), None, AccountError, Reason.API_ERROR, 1, False),
        (answer({"error": "Store not found"}, 404), None, AccountError, Reason.API_ERROR, 1, False),
        (answer({"error": "x"}, 422), None, ContractError, Reason.API_ERROR, 1, True),
        (answer({}, 302), None, ContractError, Reason.API_ERROR, 1, True),
        (answer("", 204), None, TransientError, Reason.BAD_JSON, 4, True),
        (answer(HTML, 502), None, TransientError, Reason.SERVER_ERROR, 4, False),
        (answer({}, 500), None, TransientError, Reason.SERVER_ERROR, 4, False),
        (answer("Too many requests", 429), None, RateLimitedError, Reason.RATE_LIMITED, 4, False),
        (answer("Too many requests", 429, retry_after="3600"), None, RateLimitedError, Reason.RATE_LIMITED, 1, False),
        (answer(HTML), None, TransientError, Reason.BAD_JSON, 4, True),
        (answer(""), None, TransientError, Reason.BAD_JSON, 4, True),
        (answer(b'{"data": [{"order_id": "1"'), None, TransientError, Reason.BAD_JSON, 4, True),
        (answer(b'{"data": [], "next_cursor": "\xff"}'), None, TransientError, Reason.BAD_JSON, 4, True),
        (answer({"data": {"results": []}}), None, ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({"data": None}), None, ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({"message": "If this email exists"}), None, ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({"data": [TOKEN]}), None, ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({"data": [], "has_next": TOKEN}), None, ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({"data": [], "next_cursor": {"a": TOKEN}}), None, ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer([]), None, ContractError, Reason.BAD_ENVELOPE, 1, True),
        (httpx.ReadTimeout(TOKEN), None, TransientError, Reason.TIMEOUT, 4, False),
    ],
)
def test_answers_that_are_no_page(
    response: httpx.Response | Exception,
    cursor: str | None,
    kind: type[ApiError],
    reason: Reason,
    requests: int,
    kept: bool,  # noqa: FBT001 - likewise
) -> None:
    """Without it an error could pass for an empty history, be asked again for ever, or show a token."""
    server = ScriptedServer(response)
    error = fetch(server, cursor)
    assert type(error) is kind
    assert error.reason is reason
    assert len(server.requests) == requests
    assert (error.page is not None) == kept
    assert not [text for text in all_texts_of(error) if "canary" in text]


def test_recovers_after_passing_errors() -> None:
    """Without it a gateway's hiccup would cost the account its crawl."""
    server = ScriptedServer(answer(HTML, 502), answer(HTML), answer(scalev_page([scalev_order()])))
    result = fetch(server)
    assert not isinstance(result, ApiError)
    assert result[1].keys == ("250130JQHFZG",)
    assert [request.url for request in server.requests] == [server.requests[0].url] * 3


@pytest.mark.parametrize(
    ("body", "refresh_token", "seconds"),
    [
        ({"access": "a", "refresh": "r", "token_type": "Bearer", "expires_in": 900, "refresh_expires_in": 2592000}, "r",
         900),
        ({"access": "a", "refresh": "r", "expires_in": 900.5, "store_unique_id": "x"}, "r", 900.5),
        ({"access": "a"}, None, None),
        ({"access": "a", "refresh": None, "expires_in": None}, None, None),
    ],
)  # fmt: skip
def test_refresh(body: dict[str, Any], refresh_token: str | None, seconds: float | None) -> None:
    """Without it the new tokens could be lost, or be used after their end."""
    before = datetime.now(UTC)
    tokens = refresh(ScriptedServer(answer(body)))
    assert isinstance(tokens, Tokens)
    assert (tokens.access, tokens.refresh) == ("a", refresh_token)
    if seconds is None:
        assert tokens.access_expires_at is None
    else:
        assert tokens.access_expires_at is not None
        assert timedelta(0) <= tokens.access_expires_at - before - timedelta(seconds=seconds) < timedelta(minutes=1)


def test_refresh_request() -> None:
    """Without it the refresh could differ from the documented request and spend the token for nothing."""
    server = ScriptedServer(answer({"access": "a"}))
    refresh(server)
    (request,) = server.requests
    assert request.method == "POST"
    assert request.url.path == "/base/v3/stores/store_A/public/auth/jwt/refresh"
    assert request.headers["x-scalev-storefront-api-key"] == KEY
    assert "authorization" not in request.headers
    assert json.loads(request.content) == {"refresh": REFRESH}


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer({"error": "x"}, 401), SignInError),
        (answer({"error": "x"}, 400), SignInError),
        (answer({"error": "Store not found"}, 404), SignInError),
        (answer({}, 500), AccountError),
        (answer(HTML, 502), AccountError),
        (answer(HTML), AccountError),
        (answer({"message": "no tokens"}), AccountError),
        (answer({"access": 5}), AccountError),
        (answer(b'{"access": "\xff"}'), AccountError),
        (answer("Too many requests", 429), RateLimitedError),
        (raw_answer(b"junk", 200, {"content-encoding": "gzip"}), AccountError),
        (raw_answer(b"junk", 200, {"content-encoding": "br"}), AccountError),
        (httpx.ReadTimeout(REFRESH), AccountError),
        (httpx.ReadError(REFRESH), AccountError),
        (httpx.ConnectTimeout(KEY), AccountError),
    ],
)
def test_refresh_is_never_repeated(response: httpx.Response | Exception, kind: type[ApiError]) -> None:
    """Without it a spent token would be sent again, which revokes the whole family of tokens."""
    server = ScriptedServer(response)
    error = refresh(server)
    assert type(error) is kind
    assert error.reason is (Reason.RATE_LIMITED if kind is RateLimitedError else Reason.SIGN_IN_NEEDED)
    assert len(server.requests) == 1
    assert not [text for text in all_texts_of(error) if "canary" in text]


def test_tokens_do_not_show() -> None:
    """Without it tokens would stand in every log line that shows the object."""
    shown = repr(Tokens(access=TOKEN, refresh=REFRESH, access_expires_at=None))
    assert "canary" not in shown


def test_httpx_does_not_log_requests(caplog: pytest.LogCaptureFixture) -> None:
    """Without it every request would put the store and the cursor into the run's log."""
    with caplog.at_level(logging.INFO):
        fetch(ScriptedServer(answer(scalev_page([]))), cursor="canary-cursor")
    assert "canary" not in caplog.text


def test_page_size_is_configured() -> None:
    """Without it the setting page_size would do nothing."""
    server = ScriptedServer(answer(scalev_page([])))

    async def run() -> None:
        async with http_of(server) as connection:
            client = ScalevClient(connection, page_size=7, retry=retries(RecordedSleep()))
            await client.orders_page(STORE, TOKEN, None)

    asyncio.run(run())
    assert server.requests[0].url.params["page_size"] == "7"

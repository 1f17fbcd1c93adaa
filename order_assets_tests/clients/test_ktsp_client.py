"""The two calls to KTSP: what is sent, and what each kind of answer means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
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
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import PageFacts
from order_assets_tests.clients.fakes import (
    TOKEN,
    ScriptedServer,
    T,
    all_texts_of,
    answer,
    http_of,
    outcome,
    retries,
)
from order_assets_tests.factories import ktsp_order, ktsp_page

MEMBER = "KT00000001"
APP_KEY = "canary-app-key"
SECRET = "canary-app-secret"  # noqa: S105 - what must not show up anywhere


def with_client(server: ScriptedServer, work: Callable[[KtspClient], Awaitable[T]]) -> T | ApiError:
    """Run one call against the server."""

    async def run() -> T:
        async with http_of(server) as connection:
            return await work(KtspClient(connection, APP_KEY, retry=retries()))

    return outcome(run())


def fetch(server: ScriptedServer, number: int = 0) -> tuple[RawPage, PageFacts] | ApiError:
    """Fetch one page."""
    return with_client(server, lambda client: client.orders_page(MEMBER, TOKEN, number))


def facts_of(body: Any) -> PageFacts:
    """What the walk learns from a good page."""
    result = fetch(ScriptedServer(answer(body)))
    assert not isinstance(result, ApiError), result
    return result[1]


def sign_in(server: ScriptedServer) -> str | ApiError:
    """Fetch the application's token."""
    return with_client(server, lambda client: client.token(SECRET))


@pytest.mark.parametrize("number", [0, 3])
def test_request(number: int) -> None:
    """Without it the request could differ from the documented one, and the first page be lost."""
    server = ScriptedServer(answer(ktsp_page([])))
    fetch(server, number)
    (request,) = server.requests
    assert request.method == "POST"
    assert request.url.path == "/base/v1/order/list"
    assert not request.url.params
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["x-app-key"] == APP_KEY
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {"pageNo": number, "pageSize": 200, "memberId": MEMBER}


def test_page_size_is_configured() -> None:
    """Without it the setting page_size would do nothing."""
    server = ScriptedServer(answer(ktsp_page([])))

    async def run() -> None:
        async with http_of(server) as connection:
            await KtspClient(connection, APP_KEY, page_size=50, retry=retries()).orders_page(MEMBER, TOKEN, 0)

    asyncio.run(run())
    assert json.loads(server.requests[0].content)["pageSize"] == 50


@pytest.mark.parametrize("status", [1, "1", " 1 "])
@pytest.mark.parametrize("code", [0, "0", None, "absent"])
def test_success_in_every_type(status: object, code: object) -> None:
    """Without it good pages would be errors, since the vendor's pages type these fields in two ways."""
    body = {"status": status, "items": [{"orderCode": "1"}]} | ({} if code == "absent" else {"errorCode": code})
    assert facts_of(body).keys == ("1",)


@pytest.mark.parametrize(
    ("value", "more"),
    [(True, True), (False, False), (None, False), ("absent", False), ("true", True), ("false", False), (1, True),
     (0, False), ("1", True), ("", False)],
)  # fmt: skip
def test_more_page(value: object, more: bool) -> None:  # noqa: FBT001 - a column of the table
    """Without it a page without the optional field could be followed for ever, or the walk end early."""
    body = {"status": 1, "items": []} | ({} if value == "absent" else {"morePage": value})
    assert facts_of(body).more is more


@pytest.mark.parametrize(
    ("items", "keys"),
    [
        (None, ()),
        ([], ()),
        ([ktsp_order()], ("2024091011191818231978786816",)),
        ([{"orderCode": 2024091011191818231978786816}], ("2024091011191818231978786816",)),
        ([{"orderCode": None}, {}], ("", "")),
    ],
)
def test_order_keys(items: list[dict[str, Any]] | None, keys: tuple[str, ...]) -> None:
    """Without it 28-digit codes that come as numbers would lose their last digits."""
    assert facts_of({"status": 1, "items": items}).keys == keys


def test_items_absent() -> None:
    """Without it a member without orders would fail."""
    assert facts_of({"status": 1}) == PageFacts(keys=(), more=False)


HTML = "<html>canary-token-8f3a</html>"


@pytest.mark.parametrize(
    ("response", "kind", "reason", "requests", "kept"),
    [
        (answer({"status": 0, "errorCode": 4100, "message": TOKEN}), AccountError, Reason.MEMBER_NOT_FOUND, 1, False),
        (answer({"status": "0", "errorCode": "4100"}), AccountError, Reason.MEMBER_NOT_FOUND, 1, False),
        (answer({"status": 0, "errorCode": 1, "message": "Internal error"}), TransientError, Reason.API_ERROR, 4, True),
        (answer({"status": "0", "errorCode": "1"}), TransientError, Reason.API_ERROR, 4, True),
        (answer({"status": 0, "errorCode": 3}), ContractError, Reason.API_ERROR, 1, True),
        (answer({"status": 0, "errorCode": "canary Tai Man"}), ContractError, Reason.API_ERROR, 1, True),
        (answer({"status": 0}), ContractError, Reason.API_ERROR, 1, True),
        (answer({"status": 0, "errorCode": 4100, "items": [{"orderCode": "1"}]}), AccountError,
         Reason.MEMBER_NOT_FOUND, 1, False),
        (answer({"status": 2, "items": []}), ContractError, Reason.API_ERROR, 1, True),
        (answer({"status": 1, "items": {}}), ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({"status": 1, "items": [TOKEN]}), ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({"status": None}), ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({"items": []}), ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer([]), ContractError, Reason.BAD_ENVELOPE, 1, True),
        (answer({}, 401), SignInError, Reason.TOKEN_EXPIRED, 1, False),
        (answer({}, 404), ContractError, Reason.API_ERROR, 1, True),
        (answer({}, 400), ContractError, Reason.API_ERROR, 1, True),
        (answer(HTML), TransientError, Reason.BAD_JSON, 4, True),
        (answer(HTML, 502), TransientError, Reason.SERVER_ERROR, 4, False),
        (answer(""), TransientError, Reason.BAD_JSON, 4, True),
        (answer(b'{"status": 1, "items": [{"orderCode": "1"'), TransientError, Reason.BAD_JSON, 4, True),
        (answer("slow down", 429), RateLimitedError, Reason.RATE_LIMITED, 4, False),
        (answer("slow down", 429, retry_after="3600"), RateLimitedError, Reason.RATE_LIMITED, 1, False),
        (httpx.ConnectError(TOKEN), TransientError, Reason.SERVER_ERROR, 4, False),
    ],
)  # fmt: skip
def test_answers_that_are_no_page(
    response: httpx.Response | Exception,
    kind: type[ApiError],
    reason: Reason,
    requests: int,
    kept: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Without it HTTP 200 with an error inside could pass for an empty history, or a token show in a message."""
    server = ScriptedServer(response)
    error = fetch(server)
    assert type(error) is kind
    assert error.reason is reason
    assert len(server.requests) == requests
    assert (error.page is not None) == kept
    assert not [text for text in all_texts_of(error) if "canary" in text]


def test_recovers_from_an_internal_error() -> None:
    """Without it one internal error of the API would cost the member its crawl."""
    server = ScriptedServer(answer({"status": 0, "errorCode": 1}), answer(ktsp_page([ktsp_order()])))
    result = fetch(server)
    assert not isinstance(result, ApiError)
    assert len(result[1].keys) == 1


def test_sign_in() -> None:
    """Without it the application could not get its token."""
    server = ScriptedServer(answer({"status": 1, "errorCode": 0, "message": "success", "token": "t"}))
    assert sign_in(server) == "t"
    (request,) = server.requests
    assert (request.method, request.url.path) == ("POST", "/base/v1/auth")
    assert json.loads(request.content) == {"appKey": APP_KEY, "appSecret": SECRET}
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("response", "kind", "reason", "requests"),
    [
        (answer({}, 401), SignInError, Reason.SIGN_IN_NEEDED, 1),
        (answer({"status": 0, "errorCode": 4}), ContractError, Reason.API_ERROR, 1),
        (answer({"status": 1}), ContractError, Reason.BAD_ENVELOPE, 1),
        (answer({"status": 1, "token": ""}), ContractError, Reason.BAD_ENVELOPE, 1),
        (answer({"status": 1, "token": {"a": SECRET}}), ContractError, Reason.BAD_ENVELOPE, 1),
        (answer({}, 503), TransientError, Reason.SERVER_ERROR, 4),
        (httpx.ReadTimeout(SECRET), TransientError, Reason.TIMEOUT, 4),
    ],
)
def test_refused_sign_in(
    response: httpx.Response | Exception, kind: type[ApiError], reason: Reason, requests: int
) -> None:
    """Without it wrong credentials would look like an expired token, or show in a message."""
    server = ScriptedServer(response)
    error = sign_in(server)
    assert type(error) is kind
    assert error.reason is reason
    assert len(server.requests) == requests
    assert not [text for text in all_texts_of(error) if "canary" in text]


def test_app_key_does_not_show() -> None:
    """Without it the key would stand in every log line that shows the client."""

    async def run() -> str:
        async with http_of(ScriptedServer(answer({}))) as connection:
            return repr(KtspClient(connection, APP_KEY))

    assert "canary" not in asyncio.run(run())

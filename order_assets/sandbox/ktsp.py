"""The KTSP routes: authentication and the order list by page number.

Written from the vendor's documents alone. The orders themselves come from `world`.
"""

import json
from typing import Any

from aiohttp import web

from order_assets.sandbox.distortions import altered, arranged, befall_world
from order_assets.sandbox.faults import Fault
from order_assets.sandbox.mishaps import befall
from order_assets.sandbox.state import SANDBOX, Sandbox, dump, send, squeeze, wants_gzip
from order_assets.sandbox.tokens import InvalidTokenError

MAX_PAGE_SIZE = 200
_DEFAULT_PAGE_SIZE = 20
_INTERNAL, _MISSING, _INVALID, _NOT_FOUND = 1, 3, 4, 4100


class InputError(Exception):
    """The body is not acceptable; carries errorCode and message."""

    def __init__(self, code: int, message: str) -> None:
        """Keeps both."""
        super().__init__(message)
        self.code = code
        self.message = message


def routes() -> list[web.RouteDef]:
    """Everything under `/v1`."""
    return [web.post("/v1/auth", auth), web.post("/v1/order/list", list_orders)]


def _envelope(sandbox: Sandbox, code: int, message: str, **rest: Any) -> dict[str, Any]:
    """The common fields; status is 1 without an error code."""
    status = 0 if code else 1
    as_text = sandbox.options.ktsp_status_as_text
    return {
        "status": str(status) if as_text else status,
        "errorCode": str(code) if as_text else code,
        "message": message,
        **rest,
    }


def _failure(sandbox: Sandbox, code: int, message: str) -> web.Response:
    return web.json_response(_envelope(sandbox, code, message))


def _unauthorized(sandbox: Sandbox) -> web.Response:
    return web.json_response(_envelope(sandbox, 401, "Invalid credentials"), status=401)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InputError(_INVALID, "Invalid Input")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None or value == "":
        raise InputError(_MISSING, f"Missing Parameter: {name}")
    if not isinstance(value, str):
        raise InputError(_INVALID, f"Invalid Input: {name}")
    return value


def _whole(body: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = body.get(name, default)
    if type(value) is not int or not low <= value <= high:
        raise InputError(_INVALID, f"Invalid Input: {name}")
    return value


async def auth(request: web.Request) -> web.Response:
    """`POST /v1/auth`: a token for the application."""
    sandbox = request.app[SANDBOX]
    sandbox.traffic.other["auth"] += 1
    try:
        body = await _body(request)
        pair = _text(body, "appKey"), _text(body, "appSecret")
    except InputError as error:
        return _failure(sandbox, error.code, error.message)
    if pair != (sandbox.app_key, sandbox.app_secret):
        return _unauthorized(sandbox)
    return web.json_response(_envelope(sandbox, 0, "success", token=sandbox.tokens.issue_ktsp()))


def _signed_in(request: web.Request) -> bool:
    sandbox = request.app[SANDBOX]
    token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    try:
        sandbox.tokens.check(token, "ktsp")
    except InvalidTokenError:
        return False
    return request.headers.get("X-App-Key") == sandbox.app_key


async def list_orders(request: web.Request) -> web.StreamResponse:
    """`POST /v1/order/list`: one page of a member's orders, newest first; page 0 is the first."""
    sandbox = request.app[SANDBOX]
    if not _signed_in(request):
        sandbox.traffic.other["unauthorized"] += 1
        return _unauthorized(sandbox)
    try:
        body = await _body(request)
        account = "ktsp/" + _text(body, "memberId")
        number = _whole(body, "pageNo", 0, 0, 2**31)
        size = _whole(body, "pageSize", _DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)
    except InputError as error:
        return _failure(sandbox, error.code, error.message)
    if not sandbox.world.has(account):
        return _failure(sandbox, _NOT_FOUND, "Member not found")
    sandbox.traffic.accounts[account] += 1
    fault = sandbox.faults.strike(account, number)
    if fault is not None:
        return await _faulty(request, account, fault, number, size)
    if _announces_empty(sandbox, account, number):
        return _render(request, _page(sandbox, account, number, size) | {"morePage": True})
    zipped = wants_gzip(request)
    key = (account, sandbox.world.version(account), number, size, zipped)
    rendered = sandbox.pages.get(key)
    if rendered is None:
        rendered = dump(_page(sandbox, account, number, size))
        rendered = squeeze(rendered) if zipped else rendered
        sandbox.pages.put(key, rendered)
    return send(rendered, zipped=zipped)


def _announces_empty(sandbox: Sandbox, account: str, number: int) -> bool:
    fault = sandbox.faults.peek(account)
    return fault is not None and fault.name == "endless_empty" and number == fault.from_page - 1


def _render(request: web.Request, page: dict[str, Any]) -> web.Response:
    zipped = wants_gzip(request)
    body = dump(page)
    return send(squeeze(body) if zipped else body, zipped=zipped)


def _page(
    sandbox: Sandbox, account: str, number: int, size: int, orders: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A page of these orders, by default of those in the world."""
    orders = sandbox.world.orders(account) if orders is None else orders
    items = orders[number * size : (number + 1) * size]
    more = (number + 1) * size < len(orders)
    page = _envelope(sandbox, 0, "success", morePage=more, pageNo=number, pageSize=size, items=items)
    if not orders:
        del page["items"]  # optional in the documents
    return page


async def _faulty(request: web.Request, account: str, fault: Fault, number: int, size: int) -> web.StreamResponse:
    sandbox = request.app[SANDBOX]
    befall_world(fault, sandbox.world, account)
    answer = await befall(
        request,
        fault,
        unauthorized=lambda: _unauthorized(sandbox),
        body=lambda: dump(_page(sandbox, account, number, size)),
    )
    if answer is not None:
        return answer
    if fault.name == "api_error":
        return _failure(sandbox, fault.number("code"), fault.parameters["message"])
    if fault.name == "member_not_found":
        return _failure(sandbox, _NOT_FOUND, "Member not found")
    return _render(request, _bent(sandbox, account, fault, number, size))


def _bent(sandbox: Sandbox, account: str, fault: Fault, number: int, size: int) -> dict[str, Any]:
    """The page as a paging fault distorts it; the echoed pageNo stays that of the request."""
    orders = arranged(fault, account, sandbox.world.orders(account))
    page = {"items": [], **_page(sandbox, account, number, size, orders)}
    last = max(0, -(-len(orders) // size) - 1)
    changes: dict[str, Any] = {}
    if fault.name == "page_repeated":
        changes = {"items": orders[fault.from_page * size :][:size], "morePage": True}
    elif fault.name == "endless_empty":
        changes = {"items": [], "morePage": True}
    elif fault.name == "last_page_repeated":
        changes = {"items": orders[min(number, last) * size :][:size], "morePage": True}
    elif fault.name == "first_page_is_one":
        index = max(0, number - 1)
        changes = {"items": orders[index * size :][:size], "morePage": index < last}
    elif fault.name == "shifted":
        changes = {"items": orders[max(0, number * size - fault.number("by")) :][:size]}
    elif fault.name == "more_lies" and number + 1 >= fault.number("pages"):
        changes = {"morePage": False}
    page |= changes
    return page | {"items": altered(fault, page["items"])}

"""The Scalev routes: customer orders by cursor, one order, sign-in, refresh and revocation.

Written from the vendor's documents alone. The orders themselves come from `world`.
"""

import json
from bisect import bisect_left
from dataclasses import astuple, dataclass
from typing import Any

from aiohttp import web

from order_assets.sandbox.distortions import REORDERED, altered, arranged, befall_world, loosened
from order_assets.sandbox.faults import Fault
from order_assets.sandbox.mishaps import befall, hang_up
from order_assets.sandbox.people import Customer, Store
from order_assets.sandbox.state import SANDBOX, Sandbox, dump, send, squeeze, wants_gzip
from order_assets.sandbox.tokens import InvalidTokenError

Order = dict[str, Any]

PAGE_SIZE = 25
# What every customer types to sign in.
PASSWORD = "sandbox"  # noqa: S105 - protects invented data
_ORDERS = "/v3/stores/{store_id}/customers/me/orders"
_AUTH = "/v3/stores/{store_id}/public/auth"
_OTP_SENT = "If this email exists in our system, an OTP has been sent to it."


@dataclass(frozen=True)
class Place:
    """What a cursor says.

    Attributes:
        direction: `n` for the orders after `key`, `p` for those before it.
        key: `created_at` and `id` of the order at the border; None for the very beginning.
        tag: mark of the fault that made the cursor, else empty.
        index: place in the list in place of `key`, where a fault sorts the orders otherwise.
    """

    direction: str = "n"
    key: tuple[str, str] | None = None
    tag: str = ""
    index: int | None = None


def routes() -> list[web.RouteDef]:
    """Everything under `/v3`."""
    return [
        web.get(_ORDERS, list_orders),
        web.get(_ORDERS + "/{id}", get_order),
        web.post(_AUTH + "/login", login),
        web.post(_AUTH + "/jwt/refresh", refresh),
        web.post(_AUTH + "/jwt/blacklist", blacklist),
    ]


def _error(text: str, status: int) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _unauthorized() -> web.Response:
    return _error("Unauthorized", 401)


def _find_store(request: web.Request) -> Store:
    store = request.app[SANDBOX].world.store(request.match_info["store_id"])
    if store is None:
        raise web.HTTPNotFound(text=json.dumps({"error": "Store not found"}), content_type="application/json")
    return store


def _customer(request: web.Request) -> str | None:
    """The account of the bearer, counted; None if the token is not good for this store."""
    sandbox = request.app[SANDBOX]
    store = _find_store(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    account: str | None
    good = False
    try:
        account = sandbox.tokens.check(token, "access")["sub"] if scheme.lower() == "bearer" else None
        good = True
    except InvalidTokenError as error:
        account = error.account
    if account is None or not account.startswith(f"{store.store_id}/") or not sandbox.world.has(account):
        sandbox.traffic.other["unauthorized"] += 1
        return None
    sandbox.traffic.accounts[account] += 1
    return account if good else None


async def list_orders(request: web.Request) -> web.StreamResponse:
    """`GET .../customers/me/orders`: one page of the bearer's orders, newest first."""
    sandbox = request.app[SANDBOX]
    account = _customer(request)
    if account is None:
        return _unauthorized()
    cursor = request.query.get("next_cursor") or request.query.get("previous_cursor")
    try:
        size = min(int(request.query.get("page_size", PAGE_SIZE)), PAGE_SIZE)
        place = _read_cursor(sandbox, account, cursor)
    except (ValueError, InvalidTokenError):
        size, place = 0, Place()
    if size < 1:
        return _error("Invalid request format, parameters, or cursor", 400)
    if sandbox.faults.peek(account):
        return await _faulty(request, account, place, cursor, size)
    zipped = wants_gzip(request)
    key = (account, sandbox.world.version(account), cursor, size, zipped)
    body = sandbox.pages.get(key)
    if body is None:
        body = dump(_page(sandbox, account, sandbox.world.orders(account), place, size))
        body = squeeze(body) if zipped else body
        sandbox.pages.put(key, body)
    return send(body, zipped=zipped)


def _cursor(sandbox: Sandbox, account: str, place: Place) -> str:
    return sandbox.signer.seal({"typ": "cursor", "sub": account, "at": astuple(place)})


def _read_cursor(sandbox: Sandbox, account: str, text: str | None) -> Place:
    if text is None:
        return Place()
    claims = sandbox.signer.open(text)
    if claims.get("typ") != "cursor" or claims["sub"] != account:
        raise InvalidTokenError("Not a cursor of this customer")
    direction, key, tag, index = claims["at"]
    return Place(direction, tuple(key) if key else None, tag, index)


def _key(order: Order) -> tuple[str, str]:
    return order["created_at"], order["id"]


def _start(orders: list[Order], place: Place, size: int) -> int:
    """Index of the first order of the page; orders that came or went in between do not shift it."""
    key = place.key
    if place.index is not None:
        return place.index if place.direction == "n" else max(0, place.index - size)
    if key is None:
        return 0
    if place.direction == "n":
        return bisect_left(orders, True, key=lambda order: _key(order) < key)
    return max(0, bisect_left(orders, True, key=lambda order: _key(order) <= key) - size)


def _page(
    sandbox: Sandbox, account: str, orders: list[Order], place: Place, size: int, *, is_reordered: bool = False
) -> Order:
    start = _start(orders, place, size)
    data = orders[start : start + size]
    has_next, has_previous = start + size < len(orders), start > 0 and bool(data)

    def border(direction: str, index: int) -> str:
        """The cursor at one end of the page."""
        if is_reordered:
            return _cursor(sandbox, account, Place(direction, index=index))
        return _cursor(sandbox, account, Place(direction, _key(data[-1 if direction == "n" else 0])))

    return {
        "data": data,
        "is_paginated": True,
        "has_next": has_next,
        "has_previous": has_previous,
        "next_cursor": border("n", start + size) if has_next else None,
        "previous_cursor": border("p", start) if has_previous else None,
        "page_size": size,
    }


async def _faulty(
    request: web.Request, account: str, place: Place, cursor: str | None, size: int
) -> web.StreamResponse:
    sandbox = request.app[SANDBOX]
    page = _number(sandbox.world.orders(account), place, size)
    announced = sandbox.faults.peek(account)
    fault = sandbox.faults.strike(account, page)
    if fault is not None:
        befall_world(fault, sandbox.world, account)
    orders = sandbox.world.orders(account)
    if fault is None:
        body = _page(sandbox, account, orders, place, size)
        if announced is not None and announced.name == "endless_empty" and page == announced.from_page - 1:
            body |= {"has_next": True, "next_cursor": _cursor(sandbox, account, Place("n", None, "1"))}
    else:
        answer = await befall(
            request,
            fault,
            unauthorized=_unauthorized,
            body=lambda: dump(_page(sandbox, account, orders, place, size)),
        )
        if answer is not None:
            return answer
        if fault.name in {"cursor_rejected", "cursor_expired"} and cursor is not None:
            return _error("Invalid request format, parameters, or cursor", 400)
        body = _bent(sandbox, account, fault, place, cursor, size)
    zipped = wants_gzip(request)
    rendered = loosened(fault, dump(body))
    return send(squeeze(rendered) if zipped else rendered, zipped=zipped)


def _number(orders: list[Order], place: Place, size: int) -> int:
    """Which page a cursor leads to, from 0; one made by a fault stays with it, wherever it points."""
    return 10**9 if place.tag else -(-_start(orders, place, size) // size)


def _bent(sandbox: Sandbox, account: str, fault: Fault, place: Place, cursor: str | None, size: int) -> Order:
    """The page as a paging fault distorts it."""
    orders = arranged(fault, account, sandbox.world.orders(account))
    page = _page(sandbox, account, orders, place, size, is_reordered=fault.name in REORDERED)
    if fault.name == "shifted":
        start = max(0, _start(orders, place, size) - fault.number("by"))
        return page | {"data": orders[start : start + size]}
    if fault.name == "page_repeated":
        page["data"] = orders[fault.from_page * size :][:size]
    elif fault.name == "endless_empty":
        page["data"] = []
    elif fault.name == "more_lies" and _number(orders, place, size) + 1 >= fault.number("pages"):
        page |= {"has_next": False, "next_cursor": None}
    if fault.name == "cursor_missing":
        page |= {"has_next": True, "next_cursor": None}
    elif fault.name == "cursor_repeated":
        key = _key(page["data"][-1]) if page["has_next"] else None
        page |= {"has_next": True, "next_cursor": cursor or _cursor(sandbox, account, Place("n", key, "again"))}
    elif fault.name == "cursor_cycle":
        turn = "B" if place.tag == "A" else "A"
        later = orders[: size * (fault.from_page + (1 if turn == "A" else 2))]
        key = _key(later[-1]) if later else None
        page |= {"has_next": True, "next_cursor": _cursor(sandbox, account, Place("n", key, turn))}
    elif fault.name in {"page_repeated", "endless_empty"}:
        tag = str(int(place.tag or 0) + 1)
        page |= {"has_next": True, "next_cursor": _cursor(sandbox, account, Place("n", place.key, tag))}
    return page | {"data": altered(fault, page["data"])}


async def get_order(request: web.Request) -> web.StreamResponse:
    """`GET .../customers/me/orders/{id}`: the same object by its `id`."""
    sandbox = request.app[SANDBOX]
    account = _customer(request)
    if account is None:
        return _unauthorized()
    fault = sandbox.faults.strike(account, 0)
    found = [order for order in sandbox.world.orders(account) if order["id"] == request.match_info["id"]]
    body = dump(found[0] if found else {"error": "Order not found"})
    answer = fault and await befall(request, fault, unauthorized=_unauthorized, body=lambda: body)
    if answer:
        return answer
    return send(body, zipped=False) if found else _error("Order not found", 404)


async def _public_body(request: web.Request) -> Order:
    """The JSON body of a public route.

    Raises:
        web.HTTPException: unknown store, wrong storefront key, or a body that is no JSON object.
    """
    store = _find_store(request)
    if request.headers.get("X-Scalev-Storefront-Api-Key") != store.storefront_key:
        request.app[SANDBOX].traffic.other["unauthorized"] += 1
        raise web.HTTPUnauthorized(text=json.dumps({"error": "Unauthorized"}), content_type="application/json")
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        text = json.dumps({"error": "Invalid request format, parameters, or cursor"})
        raise web.HTTPBadRequest(text=text, content_type="application/json")
    return body


async def login(request: web.Request) -> web.Response:
    """`POST .../auth/login`: tokens for a password; without one, the message that a code was sent."""
    sandbox = request.app[SANDBOX]
    body = await _public_body(request)
    sandbox.traffic.other["login"] += 1
    if not body.get("password"):
        return web.json_response({"message": _OTP_SENT})
    who: Customer | None = next(
        (person for person in _find_store(request).customers if person.email == body.get("email")), None
    )
    if who is None or body["password"] != PASSWORD:
        return _unauthorized()
    return web.json_response(sandbox.tokens.issue(who.account))


async def refresh(request: web.Request) -> web.StreamResponse:
    """`POST .../auth/jwt/refresh`: swaps a refresh token, once, for the next pair."""
    sandbox = request.app[SANDBOX]
    body = await _public_body(request)
    token = str(body.get("refresh", ""))
    try:
        account: str = sandbox.tokens.check(token, "refresh")["sub"]
        sandbox.traffic.refreshes[account] += 1
        fault = sandbox.faults.peek(account)
        if not account.startswith(f"{request.match_info['store_id']}/"):
            return _unauthorized()
        if fault is not None and fault.name == "sign_in_needed":
            return _unauthorized()
        pair = sandbox.tokens.rotate(token)
    except InvalidTokenError as error:
        return _error(str(error), 401)
    if sandbox.faults.strike(account, 0, refreshing=True):
        return hang_up(request)
    return web.json_response(pair)


async def blacklist(request: web.Request) -> web.Response:
    """`POST .../auth/jwt/blacklist`: revokes the families of refresh tokens."""
    body = await _public_body(request)
    request.app[SANDBOX].tokens.revoke([str(token) for token in body.get("tokens") or []])
    return web.Response(status=204)

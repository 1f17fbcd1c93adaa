"""Faults that concern the orders themselves: what befalls the world, in which order they come, what they contain.

The same for both APIs; how pages are cut from them is in `scalev` and `ktsp`.
"""

import hashlib
import re
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from order_assets.sandbox.faults import Fault
from order_assets.sandbox.world import World

Order = dict[str, Any]

# In another order than newest first, only its index says where an order is.
REORDERED: Final = frozenset({"unsorted", "oldest_first"})
_LONE_HALF: Final = "\ud83d"
_THOUSANDS: Final = 1_000
_MONEY: Final = re.compile(
    rb'"(product_price|product_discount|discount_code_discount|unique_code_discount|shipping_cost|shipping_discount'
    rb'|other_income|payment_link_income|gross_revenue|variant_price|discount)":"(\d+)(?:\.00)?"'
)


def befall_world(fault: Fault, world: World, account: str) -> None:
    """Changes the account for good, if the fault is of that kind."""
    if fault.name == "order_arrives":
        for _ in range(fault.number("by")):
            world.add_order(account)
    elif fault.name == "order_vanishes":
        for order in world.orders(account)[fault.number("index") :][:1]:
            world.delete_order(account, order.get("order_id") or order["orderCode"])


def arranged(fault: Fault, account: str, orders: list[Order]) -> list[Order]:
    """The account's orders as many as the fault leaves, in the order it gives them."""
    if fault.name == "history_shrinks":
        return orders[: fault.number("keep")]
    if fault.name == "oldest_first":
        return orders[::-1]
    if fault.name == "unsorted":
        return sorted(orders, key=lambda order: _shuffled(account, order))
    return orders


def _shuffled(account: str, order: Order) -> str:
    """A place that looks random, but depends on nothing else than the account and the order."""
    return hashlib.sha256(f"{account}/{order.get('id') or order['orderCode']}".encode()).hexdigest()


def altered(fault: Fault, orders: list[Order]) -> list[Order]:
    """The orders of a page with the contents that the fault gives them."""
    if fault.name == "new_fields":
        return [_with_news(order) for order in orders]
    if fault.name == "new_values":
        return [order | {"status": "teleported"} if order["status"] == "completed" else order for order in orders]
    if fault.name == "odd_numbers":
        return [order | {"id": _number(order["id"]), "orderlines": _numbered(order)} for order in orders]
    if fault.name == "half_surrogate":
        return _with_half_a_name(orders)
    return orders


def _with_news(order: Order) -> Order:
    changes: Order = {"loyalty_tier": "gold"}
    if order.get("store"):
        changes["store"] = order["store"] | {"region": "ID-JK"}
    if "orderlines" in order:
        changes["orderlines"] = [line | {"tax_hint": "11%"} for line in order["orderlines"]]
    return order | changes


def _number(uuid: str) -> int:
    """The upper half of a UUID: beyond 2^53, where a float would lose digits."""
    return UUID(uuid).int >> 64


def _numbered(order: Order) -> list[Order]:
    return [line | {"id": _number(line["id"])} for line in order["orderlines"]]


def _with_half_a_name(orders: list[Order]) -> list[Order]:
    """Spoils the first order that names its store."""
    for index, order in enumerate(orders):
        changes: Order = {}
        if order.get("store"):
            changes = {"store": order["store"] | {"name": f"{order['store']['name']} {_LONE_HALF}"}}
        elif order.get("storeNameEn"):
            changes = {"storeNameEn": f"{order['storeNameEn']} {_LONE_HALF}"}
        if changes:
            return [*orders[:index], order | changes, *orders[index + 1 :]]
    return orders


def loosened(fault: Fault | None, body: bytes) -> bytes:
    """The body with money as JSON numbers, whole thousands with an exponent, if the fault is that."""
    if fault is None or fault.name != "odd_numbers":
        return body
    return _MONEY.sub(lambda found: b'"%b":%b' % (found[1], _as_number(int(found[2]))), body)


def _as_number(amount: int) -> bytes:
    if amount and amount % _THOUSANDS == 0:
        return f"{Decimal(amount).normalize():e}".encode()
    return f"{amount}.0".encode()

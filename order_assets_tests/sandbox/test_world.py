"""The data: deterministic, complete in kinds, and right to the rupiah and cent."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from order_assets.sandbox.scalev_life import E_PAYMENTS, STATUSES
from order_assets.sandbox.seasons import stamp
from order_assets.sandbox.world import World, WorldSpec

SMALL = WorldSpec(seed=7, stores=2, customers_per_store=6, members=5)


@pytest.fixture(scope="module")
def world() -> World:
    """The default world."""
    return World()


@pytest.fixture(scope="module")
def scalev(world: World) -> list[dict[str, Any]]:
    """Every Scalev order of the default world."""
    return [order for key in world.accounts if not key.startswith("ktsp/") for order in world.orders(key)]


@pytest.fixture(scope="module")
def ktsp(world: World) -> list[dict[str, Any]]:
    """Every KTSP order of the default world."""
    return [order for member in world.members for order in world.ktsp_orders(member.member_id)]


def money(value: str | int | None) -> Decimal:
    """A money field as Decimal, null as nothing."""
    assert not isinstance(value, float)
    return Decimal(value or 0)


def test_equal_specs_give_equal_bytes() -> None:
    """Without it, a failure seen once could not be repeated; the order of asking must not matter either."""
    first, second = World(SMALL), World(SMALL)
    backwards = {key: json.dumps(second.orders(key)) for key in reversed(second.accounts)}
    assert {key: json.dumps(first.orders(key)) for key in first.accounts} == backwards
    assert first.stores == second.stores
    assert World(WorldSpec(seed=8, stores=2, customers_per_store=6, members=5)).stores != first.stores


def test_every_status_and_kind_occurs(scalev: list[dict[str, Any]]) -> None:
    """A client tested on this world would otherwise never meet some of them."""
    assert {order["status"] for order in scalev} == set(STATUSES)
    assert {order["payment_status"] for order in scalev} >= {"unpaid", "paid", "settled", "conflict"}
    kinds = Counter[str]()
    for order in scalev:
        for name in ("product_discount", "shipping_discount", "unique_code_discount", "other_income"):
            kinds[name] += money(order[name]) > 0
        if money(order["discount_code_discount"]):
            kinds[order["discount_code_applied_to"]] += 1
        kinds[type(order["gross_revenue"]).__name__] += 1
        kinds["null component"] += order["product_discount"] is None
        kinds["impossible year"] += (order["completed_time"] or "").startswith("00")
        kinds["midnight transfer"] += (order["transfer_time"] or "").endswith("T17:00:00Z")
        kinds["unconfirmed"] += order["status"] == "completed" and order["confirmed_time"] is None
        kinds["old method"] += "sub_payment_method" in order
        kinds["new method"] += "payment_link_income" in order
        kinds["several lines"] += len(order["orderlines"]) > 1
        kinds["digital"] += order["courier_service"] is None
    assert min(kinds.values()) > 0
    assert len(kinds) == 16


def test_a_small_world_has_every_status_too() -> None:
    """Tests of other parts use small worlds and rely on it."""
    world = World(SMALL)
    second = world.scalev_orders(world.stores[0].store_id, "c-002")
    assert {order["status"] for order in second} == set(STATUSES)
    assert len(second) > 150


def test_money_adds_up(scalev: list[dict[str, Any]]) -> None:
    """The identity of the documents; only a buyer's e-payment fee may be hidden, and some are."""
    hidden = 0
    for order in scalev:
        total = (
            money(order["product_price"])
            - money(order["product_discount"])
            - money(order["discount_code_discount"])
            - money(order["unique_code_discount"])
            + money(order["shipping_cost"])
            - money(order["shipping_discount"])
            + money(order["other_income"])
        )
        fee = money(order["gross_revenue"]) - total
        assert fee >= 0
        assert fee == 0 or order["payment_method"] in E_PAYMENTS
        assert order["payment_method"] == "bank_transfer" or not money(order["unique_code_discount"])
        assert money(order["shipping_discount"]) <= money(order["shipping_cost"])
        hidden += fee > 0
    assert hidden


def test_lines_add_up_to_the_order(scalev: list[dict[str, Any]]) -> None:
    """Line prices are totals of the line; a per-unit reading would not reconcile."""
    for order in scalev:
        lines = order["orderlines"]
        assert 1 <= len(lines) <= 5
        for line in lines:
            assert money(line["product_price"]) == money(line["variant_price"]) * line["quantity"]
            assert money(line["variant_price"]) % 500 == 0
        assert sum(money(line["product_price"]) for line in lines) == money(order["product_price"])
        assert sum(money(line["discount"]) for line in lines) == money(order["product_discount"])
        code = money(order["discount_code_discount"]) if order["discount_code_applied_to"] == "product_price" else 0
        assert sum(money(line["discount_code_discount"]) for line in lines) == code
        assert sum(line["quantity"] for line in lines) == order["total_quantity"]


def test_ktsp_money_and_codes(ktsp: list[dict[str, Any]]) -> None:
    """Strings with two decimals that add up, 28-digit codes, and shops that may be absent."""
    for order in ktsp:
        original, discount, payment = (Decimal(order[f"{name}Amount"]) for name in ("original", "discount", "payment"))
        assert original - discount == payment > 0
        assert discount <= original * Decimal("0.3")
        assert order["paymentAmount"][-3] == "."
        assert len(order["orderCode"]) == 28
        assert order["orderCode"].isdigit()
        assert datetime.fromisoformat(order["orderTime"]).tzinfo
    assert {order["orderTime"][-6:] for order in ktsp if not order["orderTime"].endswith("Z")} == {"+08:00"}
    assert any(order["orderTime"].endswith("Z") for order in ktsp)
    assert any(order["storeCode"] is None for order in ktsp)
    assert len({order["storeCode"] for order in ktsp} - {None}) == 12


def test_codes_are_unique_and_dated_in_jakarta(world: World, scalev: list[dict[str, Any]]) -> None:
    """Two orders with one number would merge into one fact."""
    assert len({order["order_id"] for order in scalev}) == len({order["id"] for order in scalev}) == len(scalev)
    for order in scalev:
        created = datetime.fromisoformat(order["created_at"])
        assert order["order_id"].startswith(f"{created.astimezone(ZoneInfo('Asia/Jakarta')):%y%m%d}")
        assert created.tzinfo == UTC
        assert created <= world.now
        assert datetime.fromisoformat(order["last_updated_at"]) <= world.now


def test_orders_come_newest_first(world: World) -> None:
    """The cursor of the Scalev route is a position in this order."""
    for key in world.accounts:
        orders = world.orders(key)
        moments = [datetime.fromisoformat(order.get("created_at") or order["orderTime"]) for order in orders]
        assert moments == sorted(moments, reverse=True)


def test_awkward_sizes_exist(world: World) -> None:
    """Empty, exactly one page, and several pages are where paging breaks."""
    for store in world.stores:
        sizes = [len(world.orders(customer.account)) for customer in store.customers]
        assert {0, 25, 180} <= set(sizes)
    assert max(len(world.ktsp_orders(member.member_id)) for member in world.members) > 200


def test_the_year_has_peaks(scalev: list[dict[str, Any]]) -> None:
    """A report over flat data would show nothing."""
    days = Counter(order["created_at"][:10] for order in scalev)
    assert days["2025-11-11"] > 2 * sum(days.values()) / len(days)
    assert sum(day >= "2025-11-01" for day in days.elements()) > len(scalev) * 0.55


def test_changes_show_and_stay() -> None:
    """Re-crawls are tested with orders that come, move and go."""
    world = World(SMALL)
    account = world.stores[0].customers[0].account
    before = world.orders(account)
    added = world.add_order(account)
    assert world.orders(account) == [added, *before]
    later = world.now.replace(microsecond=0)
    world.change_status(account, added["order_id"], "canceled", later)
    changed = world.orders(account)[0]
    assert (changed["status"], changed["canceled_time"]) == ("canceled", stamp(later))
    assert changed["status_history"][0]["status"] == "canceled"
    world.delete_order(account, added["order_id"])
    assert world.orders(account) == before
    assert world.version(account) == 3
    member = world.members[0].account
    bought = world.add_order(member)
    assert world.orders(member)[0] == bought
    with pytest.raises(KeyError):
        world.delete_order(account, "no such order")

"""Lines of Scalev orders: which reading of their amounts holds, what is shared over them, what they are."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.domain import allocation
from order_assets.domain.pages import VERSION, Frames
from order_assets.sandbox.world import World, WorldSpec
from order_assets_tests.domain.derived import derive, derive_pages, row
from order_assets_tests.domain.strategies import ORDERS
from order_assets_tests.factories import page, scalev_line, scalev_order, scalev_page


def lines(*orders: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of orders as rows, nulls as None."""
    records = derive(*orders).lines.to_dict("records")
    return [{str(name): None if pd.isna(cell) else cell for name, cell in record.items()} for record in records]


def order(*order_lines: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    """An order of these lines; its goods cost what they cost together, and nothing is taken off."""
    price = sum(Decimal(line["product_price"]) for line in order_lines)
    plain = {"product_price": str(price), "unique_code_discount": "0.00", "orderlines": list(order_lines)}
    return scalev_order(**(plain | overrides))


def test_line_totals() -> None:
    """Without it, a line's price would be multiplied by its quantity again."""
    (found,) = lines(order(scalev_line(quantity=3, product_price="90000.00", variant_price="30000.00")))
    assert (found["line_basis"], found["quantity"], found["line_gross_amount"]) == ("line_total", 3, 90000)
    assert (found["unit_price_amount"], found["line_net_sales_amount"]) == (30000, 90000)


def test_prices_per_piece() -> None:
    """Without it, sales of products would be too small wherever the API names the price of one piece."""
    found = lines(order(scalev_line(quantity=3, product_price="30000.00"), scalev_line(), product_price="240000.00"))
    assert [line["line_basis"] for line in found] == ["unit_price"] * 2
    assert [line["line_net_sales_amount"] for line in found] == [90000, 150000]


def test_lines_that_do_not_add_up() -> None:
    """Without it, nobody could tell lines that may be summed from those that may not."""
    sent = order(scalev_line(quantity=2), product_price="7.00")
    assert lines(sent)[0]["line_basis"] == "unreconciled"
    assert lines(sent)[0]["line_gross_amount"] == 150000
    assert "line_sum_mismatch" in row(sent)["flags"]


def test_discount_without_weights_is_shared_alike() -> None:
    """Without it, an order of free goods would divide by zero or lose its discount."""
    free = scalev_line(product_price="0.00")
    found = lines(order(free, free, free, unique_code_discount="0.02"))
    assert [line["alloc_header_discount_amount"] for line in found] == [Decimal("0.01"), Decimal("0.01"), 0]


def test_lines_may_give_more_than_the_header() -> None:
    """Without it, lines whose discounts exceed the header's would not add up to the order."""
    found = lines(order(scalev_line(discount="500.00"), scalev_line(), product_discount="200.00"))
    assert [line["alloc_header_discount_amount"] for line in found] == [Decimal("-149.75"), Decimal("-150.25")]
    assert sum(line["line_net_sales_amount"] for line in found) == 299800


def test_code_for_shipping_is_no_discount_on_goods() -> None:
    """Without it, free shipping would reduce the sales of products."""
    sent = {"discount_code_discount": "8000.00", "discount_code_code": "A", "discount_code_applied_to": "shipping_cost"}
    (found,) = lines(order(scalev_line(discount_code_discount="8000.00"), **sent))
    assert (found["line_code_discount_amount"], found["line_net_sales_amount"]) == (0, 150000)


@pytest.mark.parametrize(
    ("sent", "gross"),
    [("1,000.00", 0), ("", 0), (None, 0), ("NaN", 0), ("1.00001", 0), ("Infinity", 0), (2.0e4, 20000), ("2.0e4", 20000)]
)  # fmt: skip
def test_amounts_of_lines(sent: Any, gross: int) -> None:
    """Without it, one unreadable amount of a line would drop the line or stop the load."""
    (found,) = lines(scalev_order(orderlines=[scalev_line(product_price=sent)]))
    assert found["line_gross_amount"] == gross
    assert found["line_net_sales_amount"] == gross - 276


def test_money_that_cannot_be_trusted_is_not_shared() -> None:
    """Without it, an unreadable header would be shared over lines that are sound."""
    found = lines(scalev_order(unique_code_discount="x"), scalev_order(product_price=None))
    assert [line["alloc_header_discount_amount"] for line in found] == [0, 0]
    assert [line["line_basis"] for line in found] == ["line_total", "unreconciled"]


def test_absurd_amounts_do_not_stop_the_load() -> None:
    """Without it, the sum of many huge discounts would not fit its column, and no order would be loaded."""
    huge = scalev_line(discount="-99999999999999.0000", product_price="99999999999999.0000", quantity=2147483647)
    found = lines(scalev_order(orderlines=[huge] * 200))
    assert {line["line_basis"] for line in found} == {"unreconciled"}
    assert {line["alloc_header_discount_amount"] for line in found} == {0}


def test_currencies() -> None:
    """Without it, dollars of a mixed order would be counted as rupiah, or the other way round."""
    usd, blank, bad = scalev_line(currency=" usd"), scalev_line(currency=None), scalev_line(currency="Rp")
    found = lines(order(usd, blank), order(usd, scalev_line(), blank), order(blank), order(bad))
    assert [(line["currency_code"], line["currency_source"]) for line in found] == [
        ("USD", "line"), ("USD", "order"),
        ("USD", "line"), ("IDR", "line"), ("IDR", "store_default"),
        ("IDR", "order"),
        ("XXX", "line"),
    ]  # fmt: skip


def test_products() -> None:
    """Without it, two products could be counted as one, or a line have no product at all."""
    found = lines(
        order(
            scalev_line(),
            scalev_line(variant=None, variant_sku=" S|1 "),
            scalev_line(variant=None, variant_sku=None, product_name="Mug"),
            scalev_line(variant={}, variant_sku="", product_name=None),
            scalev_line(variant=2**40, variant_sku=None),
        )
    )
    assert [line["product_key"] for line in found] == [
        "store_A|11",
        "store_A|sku:S|1",
        f"store_A|name:{hashlib.sha256(b'Mug').hexdigest()}",
        "store_A|name:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        f"store_A|{2**40}",
    ]
    assert [line["variant_id"] for line in found] == [11, None, None, None, 2**40]


def test_descriptors() -> None:
    """Without it, what a line is could land in its neighbour's column."""
    sent = {"variant_option1_value": "S", "variant_option2_value": "red", "variant_option3_value": "x", "weight": 250,
            "item_type": "product", "pricing_type": "recurring", "interval": "month", "interval_count": 3,
            "is_digital": True}  # fmt: skip
    first, second = lines(order(scalev_line(**sent), scalev_line(quantity=None, variant_price="x", weight=10**11)))
    names = ("option1", "option2", "option3", "weight", "item_type", "pricing_type", "billing_interval",
             "billing_interval_count", "is_digital")  # fmt: skip
    assert tuple(first[name] for name in names) == tuple(sent.values())
    assert (first["line_number"], second["line_number"]) == (1, 2)
    assert (second["quantity"], second["unit_price_amount"], second["weight"]) == (0, None, None)


def ties(frames: Frames) -> int:
    """Check the identities of all lines against their orders; return how many orders were compared."""
    found = frames.lines
    counted = {name: allocation.units(found[name]).astype(object) for name in found if str(name).endswith("_amount")}
    given_off = sum(counted[f"{part}_discount_amount"] for part in ("line", "line_code", "alloc_header"))
    assert (counted["line_net_sales_amount"] == counted["line_gross_amount"] - given_off).all()
    net = found[VERSION].assign(of_lines=counted["line_net_sales_amount"]).groupby(VERSION)["of_lines"].sum()
    basis = found.groupby(VERSION)["line_basis"].first()
    orders = frames.orders.set_index(VERSION).join(net, how="inner").join(basis)
    orders = orders[orders["is_money_reportable"] & (orders["line_basis"] != "unreconciled")]
    assert orders["of_lines"].tolist() == allocation.units(orders["net_sales_amount"]).tolist()
    return len(orders)


@given(st.lists(ORDERS, max_size=6))
def test_lines_of_any_orders_tie(orders: list[dict[str, Any]]) -> None:
    """Without it, some combination of odd amounts could make products and orders tell different sums."""
    ties(derive(*orders))


@pytest.mark.parametrize("seed", [1, 2])
def test_lines_of_a_world_tie(seed: int) -> None:
    """Without it, the same for orders as they usually are, discounts on some lines and on all."""
    world = World(WorldSpec(seed=seed, stores=1, customers_per_store=10, members=1, orders_per_account=30))
    accounts = [account for account in world.accounts if not account.startswith("ktsp")]
    pages = [page(scalev_page(world.orders(account)), crawl_id=i) for i, account in enumerate(accounts)]
    assert ties(derive_pages(*pages)) > 100

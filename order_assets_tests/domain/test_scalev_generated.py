"""What holds for every Scalev order that could come."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from order_assets.domain.facts import MEASURES
from order_assets.domain.pages import Page
from order_assets.domain.recognition import Policy
from order_assets_tests.domain.derived import derive, derive_pages, row, rows
from order_assets_tests.domain.strategies import ORDERS
from order_assets_tests.factories import page, scalev_page

modest = settings(max_examples=15, deadline=None)
few = settings(max_examples=5, deadline=None)


@modest
@given(st.lists(ORDERS, max_size=6), st.sampled_from(["paid", "placed", "shipped", "completed"]))
def test_generated_orders_keep_the_identities(orders: list[dict[str, Any]], policy: Any) -> None:
    """Without it an unforeseen order could break the CHECKs of the table and with them the load of its batch."""
    frames = derive(*orders, policy=Policy(recognition=policy))
    by_order = frames.discounts.groupby("position")["amount"].sum().to_dict()
    assert len(frames.orders) == len(frames.lifecycles) == len(orders)
    for fact in rows(frames):
        assert fact["recognition_state"] in {"draft", "open", "recognised", "lost"}
        assert (fact["lost_kind"] is not None) == (fact["recognition_state"] == "lost")
        assert fact["is_money_reportable"] == (fact["excluded_reason"] is None)
        assert all((fact[name] is not None) == fact["is_money_reportable"] for name in MEASURES)
        assert fact["ordered_at"] is not None
        assert fact["order_date"] is not None
        if not fact["is_money_reportable"]:
            assert fact["position"] not in by_order
            continue
        assert fact["currency_code"] != "XXX"
        assert fact["original_amount"] - fact["discount_amount"] + fact["residual_amount"] == fact["payment_amount"]
        ladder = ("net_sales_amount", "net_shipping_amount", "other_income_amount", "residual_amount")
        assert sum(fact[name] for name in ladder) == fact["payment_amount"]
        assert fact["promo_discount_amount"] + fact["technical_discount_amount"] == fact["discount_amount"]
        assert by_order.get(fact["position"], 0) == fact["discount_amount"]


@few
@given(st.lists(st.lists(ORDERS, max_size=3), max_size=4), st.integers())
def test_order_of_pages_does_not_change_the_rows(batches: list[list[dict[str, Any]]], seed: int) -> None:
    """Without it facts would depend on which account or page happened to come first in the batch."""
    customer = {"customer": {"id": 101}}
    pages = [
        page(scalev_page([order | customer for order in orders]), partition_key=f"store_A/c-{i}", crawl_id=i)
        for i, orders in enumerate(batches)
    ]
    shuffled = random.Random(seed).sample(pages, len(pages))  # noqa: S311 - not a secret

    def sorted_rows(pages: list[Page]) -> list[dict[str, Any]]:
        found = rows(derive_pages(*pages))
        return sorted(found, key=lambda fact: (fact["crawl_id"], fact["position"]))

    assert sorted_rows(shuffled) == sorted_rows(pages)


@few
@given(st.lists(ORDERS, min_size=1, max_size=5))
def test_an_order_does_not_depend_on_its_neighbours(orders: list[dict[str, Any]]) -> None:
    """Without it a column-wise step could mix up rows, and a replay in other batches give other facts."""
    customer = {"customer": {"id": 101}}
    together = rows(derive(*(order | customer for order in orders)))
    alone = [row(order | customer) for order in orders]
    assert [fact | {"position": 1} for fact in together] == alone

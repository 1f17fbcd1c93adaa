"""Discounts of Scalev orders by kind: rows of `discount_facts` (model.md 2.2). What they add up to is in `scalev`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from order_assets.domain import facts, money
from order_assets.domain.columns import arrow, series, text


def rows(
    orders: pd.DataFrame,
    amounts: Mapping[str, money.Amounts],
    code_shipping: pd.Series,
    codes: pd.Series,
    codes_as_sent: Sequence[Any],
) -> pd.DataFrame:
    """Return a row for each kind of discount that an order has.

    Args:
        orders: the frame of orders.
        amounts: header amounts by the source's names, in the order's currency.
        code_shipping: the part of the code's discount that is taken off shipping.
        codes: the discount code as it is grouped by, null if there is none.
        codes_as_sent: the same as the source wrote it.
    """
    a = {name: amount.or_zero for name, amount in amounts.items()}
    on_shipping = pc.not_equal(arrow(code_shipping), money.ZERO)
    code_basis = series(pc.if_else(on_shipping, arrow(a["shipping_cost"]), arrow(a["product_price"])))
    promotional = "promotional"
    return facts.discount_rows(orders, [
        {"discount_kind": "product", "discount_class": promotional,
         "amount": a["product_discount"], "basis_amount": a["product_price"]},
        {"discount_kind": "code", "discount_class": promotional,
         "amount": a["discount_code_discount"], "basis_amount": code_basis,
         "discount_code": codes, "discount_code_raw": text(codes_as_sent),
         "applied_to": orders["discount_code_applied_to"]},
        {"discount_kind": "shipping", "discount_class": promotional,
         "amount": a["shipping_discount"], "basis_amount": a["shipping_cost"]},
        {"discount_kind": "unique_code", "discount_class": "technical",
         "amount": a["unique_code_discount"], "basis_amount": a["product_price"]},
    ])  # fmt: skip

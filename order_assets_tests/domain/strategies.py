"""Generated orders as the APIs might send them, good and bad."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from order_assets_tests.factories import scalev_line, scalev_order


def amounts(low: int = -(10**6), high: int = 10**6) -> st.SearchStrategy[Any]:
    """Amounts as the API sends them."""
    number = st.decimals(low, high, places=2) | st.integers(low, high).map(Decimal)
    return number.map(str) | st.integers(low, high) | st.none() | st.just("junk")


CURRENCIES = st.sampled_from(["IDR", "IDR", "IDR", "USD", None, "rp"])
TIMES = st.sampled_from(
    ["2025-01-30T02:00:00Z", "2025-01-31T02:00:00+07:00", "0026-01-01T00:00:00Z", "2025-01-01", None]
)
LINES = st.builds(
    scalev_line,
    quantity=st.integers(0, 9) | st.none(),
    currency=CURRENCIES,
    product_price=amounts(),
    discount=amounts(),
    discount_code_discount=amounts(),
)
ORDERS = st.builds(
    scalev_order,
    order_id=st.integers(0, 10**9).map(str) | st.none(),
    customer=st.none() | st.builds(dict, id=st.integers(1, 3)),
    status=st.sampled_from(["draft", "pending", "completed", "canceled", "rts", "shipped_rts", "closed", "new", None]),
    payment_status=st.sampled_from(["unpaid", "paid", "settled", "conflict", "odd", None]),
    payment_method=st.sampled_from(["cod", "qris", None]),
    discount_code_code=st.sampled_from(["A", " b ", "", None]),
    discount_code_applied_to=st.sampled_from(["product_price", "shipping_cost", None]),
    orderlines=st.none() | st.lists(LINES, max_size=3),
    **{
        name: amounts()
        for name in ("product_price", "product_discount", "discount_code_discount", "unique_code_discount",
                     "shipping_cost", "shipping_discount", "other_income", "gross_revenue")
    },
    created_at=TIMES,
    pending_time=TIMES,
    completed_time=TIMES,
    paid_time=TIMES,
    rts_time=TIMES,
    closed_time=TIMES,
)  # fmt: skip

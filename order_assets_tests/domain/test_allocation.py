"""Sharing amounts over lines: exact, fair within one unit, and each order for itself."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.domain import allocation
from order_assets.domain.columns import MONEY, text

LIMIT = Decimal("9999999999999999.9999")


def share(amount: int, weights: list[int], step: int = 100) -> list[int]:
    """The shares of one order's lines."""
    count = len(weights)
    found = allocation.shares(
        np.zeros(count, dtype=np.int64), np.arange(1, count + 1), np.array(weights), np.full(count, amount),
        np.full(count, step),
    )  # fmt: skip
    return [int(part) for part in found]


@pytest.mark.parametrize(
    ("amount", "weights", "expected"),
    [
        (1_230_000, [500_000_000, 300_000_000, 190_000_000], [621_200, 372_700, 236_100]),
        (-1_230_000, [500_000_000, 300_000_000, 190_000_000], [-621_200, -372_700, -236_100]),
        (1_000, [1, 1, 1], [400, 300, 300]),
        (200, [1, 1, 1], [100, 100, 0]),
        (200, [0, 0, 0], [100, 100, 0]),
        (-100, [0, 0], [-100, 0]),
        (700, [0, 5], [0, 700]),
        (700, [-3, 5], [0, 700]),
        (700, [-3, -5], [400, 300]),
        (0, [1, 2], [0, 0]),
        (900, [7], [900]),
    ],
    ids=["example", "negative", "ties to the lower line", "fewer units than lines", "no weights",
         "negative, no weights", "no weight on one", "a negative weight", "negative weights", "nothing", "one line"],
)  # fmt: skip
def test_shares(amount: int, weights: list[int], expected: list[int]) -> None:
    """Without it, the products of an order would not add up to it, or a cent would go to another line each time."""
    assert share(amount, weights) == expected


def test_lower_line_numbers_are_first_wherever_they_stand() -> None:
    """Without it, the order in which lines are read would decide who gets the cent."""
    found = allocation.shares(
        np.array([1, 0, 1, 0]), np.array([2, 2, 1, 1]), np.array([5, 5, 5, 5]), np.full(4, 100), np.full(4, 100)
    )
    assert found.tolist() == [0, 0, 100, 100]


ORDERS = st.lists(
    st.tuples(
        st.integers(-(10**6), 10**6) | st.integers(-(10**16), 10**16),
        st.lists(st.integers(-5, 10**3) | st.integers(0, 10**18), min_size=1, max_size=5),
        st.sampled_from([1, 10, 100, 10_000]),
    ),
    min_size=1,
    max_size=5,
)


@given(ORDERS)
def test_shares_of_any_orders(orders: list[tuple[int, list[int], int]]) -> None:
    """Without it, some combination of amounts and weights could lose a cent, share it unfairly or leak into others."""
    numbered = [
        (order, line + 1, weight, amount * step, step)
        for order, (amount, weights, step) in enumerate(orders)
        for line, weight in enumerate(weights)
    ]
    columns = [np.array(column) for column in zip(*numbered, strict=True)]
    together = [int(part) for part in allocation.shares(*columns)]
    alone = [part for amount, weights, step in orders for part in share(amount * step, weights, step)]
    assert together == alone
    start = 0
    for amount, weights, step in orders:
        parts = together[start : start + len(weights)]
        start += len(weights)
        assert sum(parts) == amount * step
        counted = [max(weight, 0) for weight in weights]
        counted = counted if sum(counted) else [1] * len(weights)
        for part, weight in zip(parts, counted, strict=True):
            assert abs(part * sum(counted) - amount * step * weight) < step * sum(counted)
            for other, lighter in zip(parts, counted, strict=True):
                assert weight <= lighter or abs(part) >= abs(other)


@pytest.mark.parametrize(
    ("currency", "amount", "step"),
    [("IDR", 0, 100), ("HKD", 0, 100), ("USD", 12_300, 100), ("JPY", 0, 10_000), ("KRW", 50_000, 10_000),
     ("JPY", 105_000, 1_000), ("JPY", 10_001, 1), ("KWD", 0, 10), ("CLF", 0, 1), ("XXX", 0, 100), ("IDR", -1_230, 10)],
)  # fmt: skip
def test_minor_units(currency: str, amount: int, step: int) -> None:
    """Without it, yen would be split into cents, or an amount finer than the currency could not be shared out."""
    assert allocation.minor_units(text([currency]), np.array([amount])).tolist() == [step]


def test_amounts_are_counted_exactly() -> None:
    """Without it, the largest amounts would overflow silently."""
    values = [LIMIT, -LIMIT, Decimal("-0.0001"), Decimal(0), Decimal("1.5")]
    for part in (values, values[2:], []):
        counts = allocation.units(pd.Series([*part], dtype=MONEY))
        assert [int(count) for count in counts] == [int(value * 10_000) for value in part]
        assert allocation.amounts(counts).tolist() == part
    assert allocation.units(pd.Series([None, Decimal(1)], dtype=MONEY)).tolist() == [0, 10_000]

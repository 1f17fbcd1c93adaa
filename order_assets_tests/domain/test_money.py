"""Amounts come out exactly as sent, or not at all."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from order_assets.domain import money
from order_assets.domain.columns import MONEY, series

LARGEST = Decimal("99999999999999.9999")
AMOUNTS = st.decimals(min_value=-LARGEST, max_value=LARGEST, places=4) | st.integers(-(10**14) + 1, 10**14 - 1).map(
    Decimal
)


def read(*raws: bytes) -> money.Amounts:
    """Parse raw JSON values."""
    return money.parse([msgspec.Raw(raw) for raw in raws])


def column(*values: Decimal | None) -> pd.Series:
    """A column of money."""
    return series(pa.array(values, MONEY.pyarrow_dtype))


@given(st.lists(AMOUNTS, max_size=20))
@example([LARGEST, -LARGEST, Decimal("0.0001"), Decimal("90071992547409.93")])
def test_every_storable_amount_survives(amounts: list[Decimal]) -> None:
    """Without it an amount could pass through a float and lose its last cents."""
    texts = [format(amount, "f") for amount in amounts]
    for raws in ([text.encode() for text in texts], [f'"{text}"'.encode() for text in texts]):
        parsed = read(*raws)
        assert parsed.value.tolist() == amounts
        assert not parsed.is_bad.any()
        assert not parsed.is_null.any()


@given(st.lists(AMOUNTS, min_size=1, max_size=20), st.integers(-3, 3))
def test_exponents_are_exact(amounts: list[Decimal], shift: int) -> None:
    """Without it `2.0e4`, which older documents show, could be misread by powers of ten."""
    raws = [f"{format(amount.scaleb(-shift), 'f')}e{shift}".encode() for amount in amounts]
    for amount, value, is_bad in zip(amounts, *_values(read(*raws)), strict=True):
        assert is_bad or value == amount


def _values(amounts: money.Amounts) -> tuple[list[object], list[object]]:
    return amounts.value.tolist(), amounts.is_bad.tolist()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(JSON_VALUES, max_size=10))
def test_junk_is_flagged_and_never_raises(values: list[object]) -> None:
    """Without it one odd amount could stop the load of every account."""
    raws = [json.dumps(value).encode() for value in values]
    parsed = read(*raws)
    rows = zip(values, parsed.value, parsed.is_null, parsed.is_bad, strict=True)
    for value, amount, is_null, is_bad in rows:
        assert is_null == (value is None)
        assert [is_null, is_bad, not pd.isna(amount)].count(True) == 1
        if not is_null and not is_bad:
            assert Decimal(str(value)) == amount


@given(st.text(max_size=20))
def test_scalar_reader_agrees_or_refuses(text: str) -> None:
    """Without it an infinity, a NaN or a fifth decimal could reach numeric(20,4) and be rounded or refused there."""
    amount = money.exact(text)
    if amount is not None:
        assert amount == Decimal(text)
        assert abs(amount) <= LARGEST
        assert amount.as_tuple().exponent == -4


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'"168724.00"', "168724"),
        (b"12000", "12000"),
        (b"2.0e4", "20000"),
        (b'"2.0e4"', "20000"),
        (b"2E+4", "20000"),
        (b"1e-4", "0.0001"),
        (b"90071992547409.93", "90071992547409.93"),
        (b"0.3", "0.3"),
        (b"-276.00", "-276"),
        (b'"-0"', "0"),
        (b'"0.0001"', "0.0001"),
        (b"99999999999999.9999", "99999999999999.9999"),
    ],
)
def test_amounts_that_are_read(raw: bytes, expected: str) -> None:
    """Without it an amount the APIs are known to send could be lost."""
    parsed = read(raw)
    assert parsed.value.tolist() == [Decimal(expected)]
    assert not parsed.is_bad.any()


@pytest.mark.parametrize(
    "raw",
    [
        b'"1,000.00"',
        b'"1.000,00"',
        b'""',
        b'" 12 "',
        b'"Rp 9.500"',
        b'"NaN"',
        b"NaN",
        b'"Infinity"',
        b"1e400",
        b"1.00005",
        b'"0.00001"',
        b"0.30000000000000004",
        b"10000000000000000",
        b"1e16",
        b"true",
        b"{}",
        b"[1]",
        b'"null"',
        b'"1\\n"',
        '"\uff11\uff12"'.encode(),
    ],
)
def test_amounts_that_are_refused(raw: bytes) -> None:
    """Without it a value that is no exact amount could be rounded or guessed at."""
    parsed = read(raw)
    assert parsed.value.isna().tolist() == [True]
    assert parsed.is_bad.tolist() == [True]
    assert parsed.is_null.tolist() == [False]


def test_null_is_neither_bad_nor_zero() -> None:
    """Without it a component the API does not know could count as unreadable, or as a measured zero."""
    parsed = read(b"null", b"1")
    assert parsed.is_null.tolist() == [True, False]
    assert parsed.is_bad.tolist() == [False, False]
    assert parsed.value.isna().tolist() == [True, False]
    assert parsed.or_zero.tolist() == [Decimal(0), Decimal(1)]


def test_no_amounts() -> None:
    """Without it an empty page could break the derivation."""
    assert read().value.tolist() == []


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    """Without it sums could be taken in floats."""
    parsed = read(b"0.1", b'"0.2"')
    total = money.total(parsed.value.iloc[:1], parsed.value.iloc[1:])
    assert total.tolist() == [Decimal("0.3")]


def test_null_makes_a_sum_null() -> None:
    """Without it a sum with an unknown term could look known."""
    assert money.total(column(None), column(Decimal(1))).isna().tolist() == [True]
    assert money.minus(column(Decimal(1)), column(None)).isna().tolist() == [True]


@given(AMOUNTS, AMOUNTS)
def test_sums_and_differences_are_exact(left: Decimal, right: Decimal) -> None:
    """Without it large amounts could overflow or round when they are added."""
    total, difference = money.total(column(left), column(right)), money.minus(column(left), column(right))
    assert total.tolist() == [left + right]
    assert difference.tolist() == [left - right]

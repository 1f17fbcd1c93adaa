"""Money from JSON text to `numeric(20,4)`, exactly. No float touches an amount.

The APIs send amounts as strings, numbers or null ("168724.00", 12000, 2.0e4, null). A value is read from the raw
text of the page; what is not a plain decimal of at most four places is refused rather than rounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain.columns import MONEY, arrow, series

PLACES = 4
INTEGER_DIGITS = 14  # numeric(20,4) holds two more, so that sums of an order and of its group fit too
_PLAIN = r"^-?[0-9]{1,14}(\.[0-9]{1,4})?$"
_WITH_EXPONENT = r"^-?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]{1,3}$"
ZERO = pa.scalar(Decimal(0), MONEY.pyarrow_dtype)


@dataclass(frozen=True, slots=True)
class Amounts:
    """One column of amounts.

    `value`: decimal128(20,4), null where there is none. `is_null`: the API sent null or nothing.
    `is_bad`: the API sent something that is not an exact amount; such a row's money cannot be trusted.
    """

    value: pd.Series
    is_null: pd.Series
    is_bad: pd.Series

    @property
    def or_zero(self) -> pd.Series:
        """The amounts with null read as 0, as a component of a sum."""
        return series(pc.fill_null(arrow(self.value), ZERO))


def parse(raw_values: Iterable[msgspec.Raw]) -> Amounts:
    """Read raw JSON values as amounts."""
    raw = pa.array(map(bytes, raw_values), pa.binary()).cast(pa.string())
    is_null = pc.equal(raw, "null")
    digits = pc.utf8_trim(raw, characters='"')
    plain = pc.match_substring_regex(digits, _PLAIN)
    nothing = pa.scalar(None, pa.string())
    value = pc.if_else(plain, digits, nothing).cast(MONEY.pyarrow_dtype)
    odd = pc.and_not(pc.match_substring_regex(digits, _WITH_EXPONENT), plain)
    if pc.any(odd).as_py():  # rare: older documents show numbers such as 2.0e4
        read = [
            exact(text) if is_odd else None for text, is_odd in zip(digits.to_pylist(), odd.to_pylist(), strict=True)
        ]
        value = pc.coalesce(value, pa.array(read, MONEY.pyarrow_dtype))
    is_bad = pc.and_not(pc.is_null(value), is_null)
    return Amounts(value=series(value), is_null=series(is_null), is_bad=series(is_bad))


def exact(text: str) -> Decimal | None:
    """Return the amount, or None unless it is finite, has at most 4 places and fits numeric(20,4)."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -PLACES or number.adjusted() >= INTEGER_DIGITS:
        return None
    return number.quantize(Decimal(1).scaleb(-PLACES))


def total(*columns: pd.Series) -> pd.Series:
    """Add columns of money; null in one makes the sum null."""
    result = arrow(columns[0])
    for column in columns[1:]:
        result = pc.add(result, arrow(column))
    return series(result)


def minus(left: pd.Series, right: pd.Series) -> pd.Series:
    """Subtract one column of money from another."""
    return series(pc.subtract(arrow(left), arrow(right)))

"""Sharing an amount over the lines of an order, exactly: largest remainder at the currency's minor unit.

Everything is counted in units of 0.0001, the last place of `money.PLACES`; no float touches an amount.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import money
from order_assets.domain.columns import arrow, series

Units: TypeAlias = npt.NDArray[Any]
"""Counts of 0.0001: int64, or whole Python numbers where those would overflow."""

_SCALE = 10**money.PLACES
_SAFE = 2**62
# Currencies whose minor unit is not a hundredth (ISO 4217, list one). The rupiah and the Hong Kong dollar have two.
_NO_PLACES = (
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
)  # fmt: skip
_THREE_PLACES = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_FOUR_PLACES = ("CLF", "UYW")


def units(amounts: pd.Series) -> Units:
    """Return amounts (decimals of four places, null as 0) as counts of 0.0001."""
    array = pc.fill_null(arrow(amounts), Decimal(0)).cast(pa.decimal128(38, money.PLACES))
    if not len(array):
        return np.zeros(0, dtype=np.int64)
    buffer = array.buffers()[1]
    assert buffer is not None  # noqa: S101 - an array that is not empty has values
    words = np.frombuffer(buffer, dtype=np.int64).reshape(-1, 2)[array.offset : array.offset + len(array)]
    low, high = words[:, 0], words[:, 1]
    if np.array_equal(low >> 63, high) and (np.abs(low) < _SAFE).all():
        return low.copy()
    whole: Units = high.astype(object) * 2**64 + low.view(np.uint64).astype(object)
    return whole


def amounts(counts: Units) -> pd.Series:
    """Return counts of 0.0001 as amounts, decimal128(38,4)."""
    words = np.empty((len(counts), 2), dtype=np.int64)
    if counts.dtype == object:
        words[:, 0] = (counts % 2**64).astype(np.uint64).view(np.int64)
        words[:, 1] = (counts // 2**64).astype(np.int64)
    else:
        words[:, 0] = counts
        words[:, 1] = counts >> 63
    buffer = pa.py_buffer(words.tobytes())
    return series(pa.Array.from_buffers(pa.decimal128(38, money.PLACES), len(counts), [None, buffer]))


def minor_units(currency_codes: pd.Series, at_least: Units) -> Units:
    """Return the smallest amount to share in, per row, as a count of 0.0001.

    It is the currency's minor unit (ISO 4217), or finer where the amounts `at_least` have more places than that.
    """
    codes = arrow(currency_codes)
    step = np.full(len(codes), _SCALE // 100, dtype=np.int64)
    for value, group in ((_SCALE, _NO_PLACES), (_SCALE // 1000, _THREE_PLACES), (1, _FOUR_PLACES)):
        step[pc.is_in(codes, value_set=pa.array(group)).to_numpy(zero_copy_only=False)] = value
    for _ in range(money.PLACES):
        step = np.where((at_least % step != 0).astype(bool), step // 10, step)
    return step


def shares(order: Units, line: Units, weight: Units, amount: Units, step: Units) -> Units:
    """Share an amount over the lines of each order by weight; the shares of an order add up to its amount exactly.

    Each share is rounded down to a multiple of `step`; what is left goes, a step each, to the lines with the largest
    remainders, and among equals to the lower line number. A negative amount is shared like its opposite. Weights
    below 0 count as 0; where all are 0, lines count alike.

    Args:
        order: which order a line belongs to, as whole numbers from 0; lines of an order need not be neighbours.
        line: number of the line within its order.
        weight: weight of the line.
        amount: what its order has to share: the same on all lines of an order, and a multiple of `step`.
        step: smallest amount to share in: the same on all lines of an order.

    Returns:
        The share of each line.
    """
    if not len(order):
        return np.zeros(0, dtype=np.int64)
    length = int(order.max()) + 1
    steps = abs(amount) // step
    weight = np.where((weight > 0).astype(bool), weight, 0)
    if not _fits(steps, weight, length):
        steps, weight = steps.astype(object), weight.astype(object)
    weight = np.where((_sums(order, weight, length)[order] > 0).astype(bool), weight, 1)
    total = _sums(order, weight, length)[order]
    share = steps * weight // total
    remainder = steps * weight % total
    left = steps - _sums(order, share, length)[order]

    ranking = np.argsort(line, kind="stable")
    for key in (-remainder, order):  # the last key counts most; each sort keeps the order of those before
        ranking = ranking[np.argsort(key[ranking], kind="stable")]
    place = np.empty(len(order), dtype=np.int64)
    begins = np.concatenate([[0], np.cumsum(np.bincount(order, minlength=length))[:-1]])
    place[ranking] = np.arange(len(order)) - begins[order[ranking]]
    share = share + (place < left).astype(np.int64)
    return np.where((amount < 0).astype(bool), -share, share) * step


def _fits(steps: Units, weight: Units, length: int) -> bool:
    """Whether every product and sum of `shares` fits int64."""
    if object in (steps.dtype, weight.dtype):
        return False
    return int(steps.max()) * max(int(weight.max()), 1) * (len(weight) + 1) < _SAFE and length < _SAFE


def _sums(order: Units, values: Units, length: int) -> Units:
    result = np.zeros(length, dtype=values.dtype)
    np.add.at(result, order, values)
    return result

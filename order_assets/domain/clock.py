"""Instants and business dates. Instants are aware UTC; a business date is the local date in the store's zone.

A timestamp is valid when it carries an offset and lies between 2000-01-01 and one day after it was fetched. The
APIs send years such as 0026 and dates typed by staff; an invalid timestamp is flagged and never used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain.columns import DATE, INSTANT, arrow, series, text

EARLIEST = pd.Timestamp("2000-01-01T00:00:00Z")
TOLERANCE = pd.Timedelta(days=1)
# As Arrow and Python both understand it.
_RFC3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:?[0-5][0-9])$"
)
_SHAPE = re.compile(_RFC3339)
_EARLIEST = EARLIEST.to_pydatetime()


@dataclass(frozen=True, slots=True)
class Instants:
    """One column of timestamps: `value` is null where absent or invalid, `is_bad` marks the invalid ones."""

    value: pd.Series
    is_bad: pd.Series


def parse(values: Iterable[Any], fetched_at: pd.Series) -> Instants:
    """Read RFC 3339 texts; `fetched_at` (aware UTC) is when each row's page was fetched."""
    items = list(values)
    raw = arrow(text(items))
    present = pa.array([value is not None for value in items], pa.bool_())
    shaped = pc.fill_null(pc.match_substring_regex(raw, _RFC3339), False)
    candidates = pc.if_else(shaped, pc.utf8_upper(raw), pa.scalar(None, pa.string()))
    parsed = _to_utc(candidates)
    latest = pc.add(arrow(fetched_at), pa.scalar(TOLERANCE.to_pytimedelta(), pa.duration("us")))
    in_window = pc.and_(
        pc.greater_equal(parsed, pa.scalar(EARLIEST.to_pydatetime(), INSTANT.pyarrow_dtype)),
        pc.less_equal(parsed, latest),
    )
    valid = pc.fill_null(in_window, False)
    value = pc.if_else(valid, parsed, pa.scalar(None, INSTANT.pyarrow_dtype))
    return Instants(value=series(value), is_bad=series(pc.and_not(present, valid)))


def moment(value: Any) -> datetime | None:
    """Read one text as `parse` does, where it is not known when it was fetched: no time is too late."""
    if not isinstance(value, str) or not _SHAPE.fullmatch(value):
        return None
    try:
        read = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day or hour, or not in any year that Python knows
        return None
    return read if read >= _EARLIEST else None


def _to_utc(texts: pa.Array) -> pa.Array:
    try:  # Arrow reads the whole column at once, but gives up on the first impossible date
        return texts.cast(INSTANT.pyarrow_dtype)
    except pa.ArrowInvalid:
        parsed = pd.to_datetime(texts.to_pandas(), format="ISO8601", utc=True, errors="coerce")
        return pa.array(parsed.dt.as_unit("us"), INSTANT.pyarrow_dtype)


def first(*candidates: pd.Series) -> pd.Series:
    """Return the first non-null instant of each row."""
    return series(pc.coalesce(*(arrow(column) for column in candidates)))


def earliest(columns: Iterable[pd.Series]) -> pd.Series:
    """Return the earliest instant of each row, ignoring nulls."""
    return _element_wise(pc.min_element_wise, columns)


def latest(columns: Iterable[pd.Series]) -> pd.Series:
    """Return the latest instant of each row, ignoring nulls."""
    return _element_wise(pc.max_element_wise, columns)


def _element_wise(function: Callable[..., pa.Array], columns: Iterable[pd.Series]) -> pd.Series:
    # Arrow compares element-wise only without a zone; as counts of microseconds the order is the same.
    counts = (arrow(column).cast(pa.int64()) for column in columns)
    return series(function(*counts).cast(INSTANT.pyarrow_dtype))


def business_date(instants: pd.Series, zones: pd.Series) -> pd.Series:
    """Return the local date of each instant in that row's IANA zone."""
    result = pd.Series(pd.NA, index=instants.index, dtype=DATE)
    for zone in zones.unique():
        rows = zones == zone
        local = pc.local_timestamp(arrow(instants[rows]).cast(pa.timestamp("us", zone)))
        result[rows] = series(local.cast(pa.date32())).array
    return result

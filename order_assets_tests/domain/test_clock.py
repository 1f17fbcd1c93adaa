"""Instants are aware UTC inside the window, or flagged; business dates are those of the store's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.domain import clock
from order_assets.domain.columns import INSTANT, series, text

FETCHED_AT = datetime(2025, 6, 1, 12, tzinfo=UTC)
ZONES = ["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "Asia/Hong_Kong", "UTC", "America/New_York"]
IN_WINDOW = st.datetimes(datetime(2000, 1, 1), datetime(2025, 6, 2, 12)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001 - hypothesis takes naive bounds


def parse(*values: Any) -> clock.Instants:
    """Parse values of pages that were all fetched at one time."""
    return clock.parse(values, instants(*[FETCHED_AT] * len(values)))


def instants(*values: datetime | None) -> pd.Series:
    """A column of instants."""
    return series(pa.array(values, INSTANT.pyarrow_dtype))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2025-01-29T20:28:08Z", datetime(2025, 1, 29, 20, 28, 8, tzinfo=UTC)),
        ("2024-08-31T10:00:00+08:00", datetime(2024, 8, 31, 2, tzinfo=UTC)),
        ("2024-08-31T10:00:00+0800", datetime(2024, 8, 31, 2, tzinfo=UTC)),
        ("2024-08-31 10:00:00-03:30", datetime(2024, 8, 31, 13, 30, tzinfo=UTC)),
        ("2024-08-31t10:00:00z", datetime(2024, 8, 31, 10, tzinfo=UTC)),
        ("2024-02-29T23:59:59Z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
        ("2024-08-31T10:00:00.5Z", datetime(2024, 8, 31, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2024-08-31T10:00:25.046183Z", datetime(2024, 8, 31, 10, 0, 25, 46_183, tzinfo=UTC)),
        ("2024-08-31T10:00:00.123456789Z", datetime(2024, 8, 31, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2000-01-01T08:00:00+08:00", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2025-06-02T12:00:00Z", datetime(2025, 6, 2, 12, tzinfo=UTC)),
    ],
)
def test_valid(value: str, expected: datetime) -> None:
    """Without it a form of time that the APIs send could be lost or shifted by its offset."""
    parsed = parse(value)
    assert parsed.value.tolist() == [expected]
    assert parsed.is_bad.tolist() == [False]


@pytest.mark.parametrize(
    "value",
    [
        "0026-02-04T17:30:00Z",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1999-12-31T23:59:59.999999Z",
        "2000-01-01T07:59:59+08:00",
        "2025-06-02T12:00:00.000001Z",
        "2025-06-02T12:00:01Z",
        "2025-02-30T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00+99:99",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00Z",
        "2024-01-01",
        "01/02/2024 10:00",
        "now",
        "",
        1735689600,
        1735689600.5,
        True,
        {"at": "2024-01-01T00:00:00Z"},
        ["2024-01-01T00:00:00Z"],
    ],
)
def test_invalid(value: object) -> None:
    """Without it an impossible or ambiguous time could date revenue; a naive one would be guessed at."""
    for parsed in (parse(value), parse(value, "2025-01-01T00:00:00Z")):
        assert pd.isna(parsed.value[0])
        assert bool(parsed.is_bad[0])


def test_null_is_not_bad() -> None:
    """Without it every order that was never shipped would be flagged."""
    parsed = parse(None, "2025-01-01T00:00:00Z")
    assert parsed.value.isna().tolist() == [True, False]
    assert parsed.is_bad.tolist() == [False, False]


def test_window_is_each_page_s_own() -> None:
    """Without it a replay of an old page would accept times that were in its future."""
    value = "2025-01-03T00:00:00Z"
    fetched = instants(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))
    assert clock.parse([value, value], fetched).is_bad.tolist() == [True, False]


@given(st.lists(st.tuples(IN_WINDOW, st.integers(-14 * 60, 14 * 60)), min_size=1, max_size=20), st.booleans())
def test_any_offset_names_the_same_instant(rows: list[tuple[datetime, int]], with_odd: bool) -> None:  # noqa: FBT001 - drawn
    """Without it the slow reader, which one odd neighbour calls in, could read other times than the fast one."""
    texts = [moment.astimezone(timezone(timedelta(minutes=offset))).isoformat() for moment, offset in rows]
    odd = ["2025-02-30T00:00:00Z", "0026-01-01T00:00:00Z"] if with_odd else []
    parsed = parse(*odd, *texts)
    assert parsed.value.tolist()[len(odd) :] == [moment for moment, _ in rows]
    assert parsed.is_bad.tolist() == [True] * len(odd) + [False] * len(rows)


@given(st.lists(st.text(max_size=30) | st.none() | st.integers() | st.floats() | st.booleans(), max_size=8))
def test_junk_never_raises(values: list[object]) -> None:
    """Without it one odd time could stop the load of every account."""
    parsed = parse(*values)
    for value, is_bad, instant in zip(values, parsed.is_bad, parsed.value, strict=True):
        assert is_bad == (value is not None and pd.isna(instant))


@pytest.mark.parametrize(
    ("instant", "zone", "expected"),
    [
        (datetime(2025, 1, 29, 20, 28, 8, tzinfo=UTC), "Asia/Jakarta", date(2025, 1, 30)),
        (datetime(2025, 1, 31, 16, 59, 59, tzinfo=UTC), "Asia/Jakarta", date(2025, 1, 31)),
        (datetime(2025, 1, 31, 17, 0, 0, tzinfo=UTC), "Asia/Jakarta", date(2025, 2, 1)),
        (datetime(2025, 1, 31, 14, 59, 59, tzinfo=UTC), "Asia/Jayapura", date(2025, 1, 31)),
        (datetime(2025, 1, 31, 15, 0, 0, tzinfo=UTC), "Asia/Jayapura", date(2025, 2, 1)),
        (datetime(2024, 8, 31, 15, 59, 59, tzinfo=UTC), "Asia/Hong_Kong", date(2024, 8, 31)),
        (datetime(2024, 8, 31, 16, 30, tzinfo=UTC), "Asia/Hong_Kong", date(2024, 9, 1)),
        (datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "UTC", date(2025, 12, 31)),
    ],
)
def test_business_dates(instant: datetime, zone: str, expected: date) -> None:
    """Without it revenue of the evening could fall on the wrong day, or in the wrong month."""
    assert clock.business_date(instants(instant), text([zone])).tolist() == [expected]


@given(st.lists(st.tuples(st.none() | IN_WINDOW, st.sampled_from(ZONES)), max_size=20))
def test_business_date_is_that_of_the_zone_database(rows: list[tuple[datetime | None, str]]) -> None:
    """Without it rows of several zones in one batch could take each other's dates."""
    dates = clock.business_date(instants(*(moment for moment, _ in rows)), text([zone for _, zone in rows]))
    found = [None if pd.isna(value) else value for value in dates]
    assert found == [None if moment is None else moment.astimezone(ZoneInfo(zone)).date() for moment, zone in rows]


def test_first_earliest_and_latest_ignore_nulls() -> None:
    """Without it an order with one unknown time could lose its known ones."""
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
    columns = [instants(None, None), instants(late, None), instants(early, None)]
    assert clock.first(*columns)[0] == late
    assert clock.earliest(columns)[0] == early
    assert clock.latest(columns)[0] == late
    assert all(pd.isna(of(columns)[1]) for of in (clock.earliest, clock.latest))


def moments(texts: list[str]) -> list[datetime | None]:
    """What a column of these texts holds, read long after."""
    late = instants(*[datetime(9999, 12, 30, tzinfo=UTC)] * len(texts))
    return [None if pd.isna(at) else at.to_pydatetime() for at in clock.parse(texts, late).value]


ODD_MOMENTS = [
    "2025-01-29T20:28:08Z", "2025-01-29t20:28:08z", "2025-01-29 20:28:08+0700", "2025-01-29T20:28:08.123456789Z",
    "2025-01-29T20:28:08.9999999Z", "2025-01-29T20:28:08.1-07:30", "2025-01-29T23:59:60Z", "2025-01-29T24:00:00Z",
    "2025-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2025-01-29T20:28:08+24:00", "2025-01-29T20:28:08+23:59",
    "2025-01-29T20:28:08+14:60", "2025-01-29T20:28:08-99:99", "2025-01-29T20:28:08-00:00", "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "0026-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00", "2025-01-29T20:60:08Z", "2025-00-10T00:00:00Z", "2025-01-29T20:28:08", "2025-01-29",
    "2025-01-29T20:28:08Z\n", " 2025-01-29T20:28:08Z", "\u0662025-01-29T20:28:08Z", "2025-01-29T20:28:08.Z", "",
]  # fmt: skip


def test_odd_moments_alone_and_in_a_column() -> None:
    """Without it, an order could be listed at one time by the crawl and at another by the facts."""
    assert [clock.moment(text) for text in ODD_MOMENTS] == moments(ODD_MOMENTS)
    assert [clock.moment(text) for text in ODD_MOMENTS] == [moments([text])[0] for text in ODD_MOMENTS]
    others: list[object] = [None, 5, True, {}, ["2025-01-29T20:28:08Z"]]
    assert [clock.moment(value) for value in others] == [None] * 5


@given(
    st.datetimes(datetime(1999, 12, 30), datetime(2250, 1, 1)),  # noqa: DTZ001 - the offset is drawn apart
    st.sampled_from(["", ".5", ".000001", ".1234567"]),
    st.sampled_from(["Z", "+07:00", "-0930", "+14:00"]),
)
def test_moments_alone_and_in_a_column(day: datetime, fraction: str, offset: str) -> None:
    """Without it, an order could be listed at one time by the crawl and at another by the facts."""
    text = day.strftime("%Y-%m-%dT%H:%M:%S") + fraction + offset
    assert [clock.moment(text)] == moments([text])

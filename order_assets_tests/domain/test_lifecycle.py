"""First valid occurrences, re-entries and the order of milestones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest

from order_assets.domain import lifecycle
from order_assets.domain.columns import INSTANT, series, text
from order_assets.domain.lifecycle import MILESTONES


def at(hour: int, *, minute: int = 0, microsecond: int = 0) -> datetime:
    """A time of the first of January."""
    return datetime(2025, 1, 1, hour, minute, 0, microsecond, tzinfo=UTC)


def instants(*values: datetime | None) -> pd.Series:
    """A column of instants."""
    return series(pa.array(values, INSTANT.pyarrow_dtype))


def history(*entries: tuple[int, str, datetime]) -> pd.DataFrame:
    """Entries of status histories: row of the order, status, time."""
    return pd.DataFrame({
        "row": series(pa.array([entry[0] for entry in entries], pa.int64())),
        "status": text([entry[1] for entry in entries]),
        "occurred_at": instants(*(entry[2] for entry in entries)),
    })  # fmt: skip


def columns(length: int, **values: Sequence[datetime | None]) -> dict[str, pd.Series]:
    """The time columns; those not named are empty."""
    return {name: instants(*values.get(name, [None] * length)) for name in MILESTONES}


def as_set(events: pd.DataFrame) -> set[tuple[int, str, datetime]]:
    """Events as a set of rows."""
    return set(zip(events["row"].tolist(), events["status"].tolist(), events["occurred_at"].tolist(), strict=True))


def test_first_of_column_and_history_wins() -> None:
    """Without it a staff member who re-opens an order would move its payment to a later day."""
    events = lifecycle.events(columns(2, pending=[at(5), at(1)]), history((0, "pending", at(2)), (1, "pending", at(3))))
    assert lifecycle.first_occurrences(events, 2)["pending"].tolist() == [at(2), at(1)]


def test_events_of_both_sources() -> None:
    """Without it entries of one source could replace those of the other."""
    events = lifecycle.events(columns(1, paid=[at(3)]), history((0, "completed", at(4))))
    assert as_set(events) == {(0, "paid", at(3)), (0, "completed", at(4))}


@pytest.mark.parametrize(
    ("told", "milestone"), [("shipped_rts", "rts"), ("settled", "paid"), ("rts", "rts"), ("completed", "completed")]
)
def test_statuses_of_one_meaning(told: str, milestone: str) -> None:
    """Without it a return or a settlement told only by the history would be missed."""
    events = lifecycle.events(columns(1), history((0, told, at(1))))
    assert as_set(events) == {(0, milestone, at(1))}


def test_unknown_statuses_are_no_milestones() -> None:
    """Without it a status the vendor adds would need a column."""
    events = lifecycle.events(columns(1), history((0, "on_hold", at(1)), (0, "conflict", at(2))))
    assert as_set(events) == set()


def test_same_second_from_two_sources_is_one_entry() -> None:
    """Without it an order would count as re-opened because its history is finer than its columns."""
    told = history((0, "paid", at(1, microsecond=250_000)), (0, "paid", at(2)), (1, "paid", at(1)))
    events = lifecycle.events(columns(2, paid=[at(1), None]), told)
    assert as_set(events) == {(0, "paid", at(1, microsecond=250_000)), (0, "paid", at(2)), (1, "paid", at(1))}


def test_nothing_happened() -> None:
    """Without it a batch without any time would break."""
    events = lifecycle.events(columns(2), history())
    firsts = lifecycle.first_occurrences(events, 2)
    assert set(firsts) == set(MILESTONES)
    assert all(column.isna().all() and len(column) == 2 for column in firsts.values())
    assert lifecycle.first_occurrences(lifecycle.no_events(), 0)["paid"].tolist() == []


def test_snapshot_counts_milestones_and_reentries() -> None:
    """Without it an order that went back and forth would look like any other."""
    told = history(
        (0, "pending", at(1)), (0, "completed", at(2)), (0, "pending", at(3)), (0, "completed", at(4)),
        (1, "pending", at(1)),
    )  # fmt: skip
    events = lifecycle.events(columns(3, completed=[at(5), None, None]), told)
    firsts = lifecycle.first_occurrences(events, 3)
    orders = pd.DataFrame({
        "order_key": text(["a", "b", "c"]),
        "crawl_id": [1, 1, 1],
        "page_number": [1, 1, 1],
        "position": [1, 2, 3],
        "ordered_at": instants(at(1), at(1), at(1)),
    })  # fmt: skip

    frame = lifecycle.snapshot(orders, events, firsts)

    assert frame["milestones_reached"].tolist() == [2, 1, 0]
    assert frame["reopened_count"].tolist() == [3, 0, 0]
    assert frame["order_key"].tolist() == ["a", "b", "c"]
    assert frame["completed_at"].tolist()[0] == at(2)
    assert {f"{name}_at" for name in MILESTONES} <= set(frame.columns)


@pytest.mark.parametrize(
    ("times", "ok"),
    [
        ({}, True),
        ({"shipped": 5}, True),
        ({"pending": 1, "confirmed": 2, "in_process": 3, "ready": 4, "shipped": 5, "completed": 6}, True),
        ({"pending": 1, "shipped": 5, "rts": 6}, True),
        ({"pending": 1, "confirmed": 1, "shipped": 1}, True),
        ({"pending": 3, "confirmed": 2}, False),
        ({"pending": 3, "completed": 2}, False),
        ({"confirmed": 4, "ready": 2, "shipped": 5}, False),
        ({"pending": 5, "confirmed": 1, "completed": 6}, False),
        ({"shipped": 5, "rts": 4}, False),
        ({"completed": 6, "rts": 5}, True),
        ({"pending": 2, "paid": 1, "canceled": 1, "transfer": 1}, True),
    ],
)
def test_sequence(times: Mapping[str, int], ok: bool) -> None:  # noqa: FBT001 - a column of the table
    """Without it impossible orders of events would pass unnoticed, or good ones be flagged."""
    firsts = {name: instants(at(times[name]) if name in times else None) for name in MILESTONES}
    assert lifecycle.is_sequence_ok(firsts).tolist() == [ok]

"""When an order reached which status: events from the time columns and the status history, first occurrences.

Scalev's `*_time` columns hold the last entry into a status and are often empty or absurd, so the history counts
too, and the first valid occurrence of either is what the facts use (model.md, finding 7).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import clock
from order_assets.domain.columns import INSTANT, INT, TEXT, arrow, constant, series
from order_assets.domain.pages import VERSION

ORDER_STATUSES = (
    "draft",
    "pending",
    "confirmed",
    "in_process",
    "ready",
    "shipped",
    "completed",
    "rts",
    "canceled",
    "closed",
)
PAYMENT_STATUSES = ("unpaid", "paid", "transfer")
MILESTONES = ORDER_STATUSES + PAYMENT_STATUSES
_SAME_STATUS = {"shipped_rts": "rts", "settled": "paid"}
_SEQUENCES = (
    ("pending", "confirmed", "in_process", "ready", "shipped", "completed"),
    ("pending", "confirmed", "in_process", "ready", "shipped", "rts"),
)


def events(time_columns: dict[str, pd.Series], history: pd.DataFrame) -> pd.DataFrame:
    """Return every valid, distinct entry into a milestone, from the time columns and the status history.

    Args:
        time_columns: milestone -> instants (aware UTC), one row per order, null where absent or invalid.
        history: columns `row` (position of the order), `status` (lower case), `occurred_at` (aware UTC, not null).

    Returns:
        Columns `row`, `status` (a milestone), `occurred_at`. The same status in the same second is one entry.
    """
    parts = [history.assign(status=history["status"].replace(_SAME_STATUS))]
    for milestone, column in time_columns.items():
        present = np.flatnonzero(pc.is_valid(arrow(column)).to_numpy(zero_copy_only=False))
        parts.append(
            pd.DataFrame({
                "row": series(pa.array(present)),
                "status": constant(milestone, len(present), TEXT),
                "occurred_at": series(arrow(column).take(pa.array(present))),
            })
        )  # fmt: skip
    entries = pd.concat(parts, ignore_index=True)
    entries = entries[entries["status"].isin(MILESTONES)]
    second = entries["occurred_at"].dt.floor("s")
    return entries[~entries.assign(second=second).duplicated(["row", "status", "second"])].reset_index(drop=True)


def no_events() -> pd.DataFrame:
    """Return an empty frame of the shape of `events`, for a source that reports no statuses."""
    return pd.DataFrame(
        {"row": constant(None, 0, INT), "status": constant(None, 0, TEXT), "occurred_at": constant(None, 0, INSTANT)}
    )


def first_occurrences(entries: pd.DataFrame, length: int) -> dict[str, pd.Series]:
    """Return milestone -> first valid instant, one row per order (`length` of them), from `events`."""
    statuses, instants = arrow(entries["status"]), arrow(entries["occurred_at"]).cast(INSTANT.pyarrow_dtype)
    rows = entries["row"].to_numpy(dtype=np.int64)
    at = instants.cast(pa.int64()).to_numpy(zero_copy_only=False)
    none = np.iinfo(np.int64).max
    firsts: dict[str, pd.Series] = {}
    for milestone in MILESTONES:
        mine = pc.equal(statuses, milestone).to_numpy(zero_copy_only=False)
        earliest = np.full(length, none)
        np.minimum.at(earliest, rows[mine], at[mine])
        firsts[milestone] = series(pa.array(earliest, mask=earliest == none).cast(INSTANT.pyarrow_dtype))
    return firsts


def snapshot(orders: pd.DataFrame, entries: pd.DataFrame, firsts: dict[str, pd.Series]) -> pd.DataFrame:
    """Return rows of `marts.order_lifecycle` with the version of the order they belong to.

    `orders` is the finished frame of orders; `entries` and `firsts` come from the functions above.
    """
    frame = orders[[*VERSION, "ordered_at"]].copy()
    reached = np.zeros(len(orders), dtype=np.int64)
    for milestone, column in firsts.items():
        frame[f"{milestone}_at"] = column
        reached += column.notna().to_numpy(dtype=np.int64)
    again = np.zeros(len(orders), dtype=np.int64)
    counts = entries.groupby(["row", "status"]).size().sub(1).groupby("row").sum()
    again[counts.index.to_numpy(dtype=np.int64)] = counts.to_numpy(dtype=np.int64)
    frame["milestones_reached"] = series(pa.array(reached))
    frame["reopened_count"] = series(pa.array(again))
    frame["is_sequence_ok"] = is_sequence_ok(firsts)
    return frame


def is_sequence_ok(firsts: dict[str, pd.Series]) -> pd.Series:
    """Return whether the milestones that were reached were reached in order."""
    ok: pa.Array | None = None
    for sequence in _SEQUENCES:
        latest = firsts[sequence[0]]
        for milestone in sequence[1:]:
            reached = firsts[milestone]
            in_order = pc.fill_null(pc.less_equal(arrow(latest), arrow(reached)), True)
            ok = in_order if ok is None else pc.and_(ok, in_order)
            latest = clock.latest([latest, reached])
    return series(ok)

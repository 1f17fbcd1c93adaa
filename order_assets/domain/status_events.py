"""The log of statuses: rows of `order_status_events` (model.md 2.3), each entry once, as the source tells it.

First occurrences, which the classes and `order_lifecycle` need, are in `lifecycle`. What a later load sees change is
added to the log by `warehouse/sql/load/insert_events.sql`, since a page does not know the load before.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain.columns import INSTANT, TEXT, arrow, constant, series
from order_assets.domain.lifecycle import PAYMENT_STATUSES
from order_assets.domain.pages import VERSION

_OF_PAYMENT = (*PAYMENT_STATUSES, "settled", "conflict")
_KEY = ["row", "event_dimension", "status"]


def log(orders: pd.DataFrame, time_columns: Mapping[str, pd.Series], **histories: pd.DataFrame) -> pd.DataFrame:
    """Return the events of Scalev orders with the version of the order they belong to.

    The same status in the same second is one event; a history is finer than the time columns and wins.

    Args:
        orders: the finished frame of orders.
        time_columns: status -> instants (aware UTC), one row per order, null where absent or invalid.
        histories: `order` and `shipment`, the entries of the order's and of its parcel's history: columns `row`
            (position of the order), `status` (lower case) and `occurred_at` (aware UTC).
    """
    parts = [_told(histories["order"], None), _told(histories["shipment"], "shipment")]
    for status, column in time_columns.items():
        present = pa.array(np.flatnonzero(column.notna().to_numpy(dtype=bool)))
        told = pd.DataFrame({
            "row": series(present),
            "status": constant(status, len(present), TEXT),
            "occurred_at": series(arrow(column).take(present)),
        })  # fmt: skip
        parts.append(_told(told, None, "time_column"))
    return _finished(orders, pd.concat(parts, ignore_index=True))


def ordered(orders: pd.DataFrame, ordered_at: pd.Series) -> pd.DataFrame:
    """Return one event `ordered` per order with a time, for a source that reports no statuses."""
    present = pa.array(np.flatnonzero(ordered_at.notna().to_numpy(dtype=bool)))
    told = pd.DataFrame({
        "row": series(present),
        "status": constant("ordered", len(present), TEXT),
        "occurred_at": series(arrow(ordered_at).take(present)),
    })  # fmt: skip
    return _finished(orders, _told(told, "order", "order_time"))


def _told(entries: pd.DataFrame, dimension: str | None, source: str = "history") -> pd.DataFrame:
    """Add the dimension (by status, unless it is given) and the source."""
    if dimension is None:
        of_payment = pc.is_in(arrow(entries["status"]), value_set=pa.array(_OF_PAYMENT, pa.string()))
        dimensions = series(pc.if_else(of_payment, "payment", "order"))
    else:
        dimensions = constant(dimension, len(entries), TEXT)
    return entries.assign(event_dimension=dimensions, event_source=constant(source, len(entries), TEXT))


def _finished(orders: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    at = arrow(told["occurred_at"]).cast(pa.int64()).to_numpy(zero_copy_only=False)
    told = told.assign(second=at // 1_000_000, at=at)
    told = told[~told.duplicated([*_KEY, "second"])]
    # An order's events together: they share a place in the table's index, which is visited once instead of eight times.
    told = told.sort_values("row", kind="stable", ignore_index=True)
    rows = told["row"].to_numpy(dtype=np.int64)
    found: dict[str, pd.Series] = {name: orders[name].iloc[rows].reset_index(drop=True) for name in VERSION}
    found |= {name: told[name] for name in ("event_dimension", "status", "event_source")}
    return pd.DataFrame({
        **found,
        "occurred_at": told["occurred_at"].astype(INSTANT),
        "is_first": series(pa.array((told["at"] == told.groupby(_KEY)["at"].transform("min")).to_numpy(dtype=bool))),
        "actor_kind": constant(None, len(told), TEXT),
    })  # fmt: skip

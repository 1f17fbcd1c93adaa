"""The lists within a Scalev order, one row per entry: the currency that its lines name, and what happened to it.

What the lines' amounts mean is in `scalev_lines`, what the statuses mean, in `lifecycle` and `status_events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import clock
from order_assets.domain.columns import TEXT, arrow, constant, label, lowered, series
from order_assets.domain.facts import NO_CURRENCY


def unroll(lists: Sequence[Sequence[Any] | None]) -> tuple[list[Any], pa.Array]:
    """Return the entries of all lists in a row, and the position of the list each one comes from."""
    counts = [len(entries or ()) for entries in lists]
    entries = list(chain.from_iterable(entries or () for entries in lists))
    return entries, pa.array(np.repeat(np.arange(len(lists)), counts))


def currency_code(values: Iterable[Any]) -> pd.Series:
    """Return the currencies that lines name, trimmed, in upper case; null where they name none."""
    return series(pc.ascii_upper(arrow(label(_currency_text(value) for value in values))))


def _currency_text(value: object) -> str | None:
    # A currency that is there but no text is an invalid one, not an absent one.
    return value if isinstance(value, str) or value is None else "?"


def history(entry_lists: Sequence[Sequence[Any] | None], fetched_at: pd.Series) -> pd.DataFrame:
    """Return the valid entries of a history of statuses, of the order or of its parcel.

    Columns: `row` (position of the order), `status` (lower case), `occurred_at` (aware UTC).
    """
    entries, rows = unroll(entry_lists)
    times = [entry.at or entry.time or entry.timestamp for entry in entries]
    frame = pd.DataFrame({
        "row": series(rows),
        "status": lowered(entry.status for entry in entries),
        "occurred_at": clock.parse(times, series(arrow(fetched_at).take(rows))).value,
    })  # fmt: skip
    return frame.dropna().reset_index(drop=True)


def currency(order_lines: pd.DataFrame, default_currency: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return each order's currency code and its source, which only the lines name (model.md 1.3).

    `default_currency` is the store's, one per order; `order_lines` comes from `scalev_lines.read`.
    """
    length = len(default_currency)
    distinct = order_lines.dropna(subset=["currency"]).groupby("row")["currency"].agg(["nunique", "first"])
    named = distinct.index.to_numpy(dtype=np.int64)
    count = np.zeros(length, dtype=np.int64)
    count[named] = distinct["nunique"].to_numpy(dtype=np.int64)
    only = constant(None, length, TEXT)
    only[named] = distinct["first"].array
    is_code = pc.fill_null(pc.match_substring_regex(arrow(only), "^[A-Z]{3}$"), False)
    valid = pc.fill_null(pc.and_not(is_code, pc.equal(arrow(only), NO_CURRENCY)), False)
    source = pc.case_when(
        pc.make_struct(pa.array(count == 0), pa.array(count > 1), valid), "store_default", "mixed", "lines", "invalid"
    )
    code = pc.case_when(
        pc.make_struct(pc.equal(source, "store_default"), pc.equal(source, "lines")),
        arrow(default_currency), arrow(only), NO_CURRENCY,
    )  # fmt: skip
    return series(code), series(source)

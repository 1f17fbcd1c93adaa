"""The stores that a batch of Scalev pages names: rows of `dim_store`. How an order finds its store is in `scalev`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from order_assets.domain.columns import TEXT, constant, label


def rows(stores: Sequence[Any], pages: pd.DataFrame) -> pd.DataFrame:
    """Return one row per store of the batch, with the last name seen.

    Args:
        stores: the store of each order as read, or None.
        pages: the columns of each order's page (`pages.page_columns`).
    """
    frame = pd.DataFrame({
        "source_store_id": pages["source_account"],
        "display_name": label(None if store is None else store.name for store in stores),
        "time_zone": pages["store_time_zone"],
        "default_currency": pages["default_currency"],
        "fetched_at": pages["fetched_at"],
    })  # fmt: skip
    last = frame.groupby("source_store_id", sort=True, as_index=False).last()
    last["display_name"] = last["display_name"].fillna(last["source_store_id"])
    last["source_system"] = constant("scalev", len(last), TEXT)
    last["store_key"] = "scalev|" + last["source_store_id"]
    for name in ("name_en", "name_sc", "name_tc"):
        last[name] = constant(None, len(last), TEXT)
    return last

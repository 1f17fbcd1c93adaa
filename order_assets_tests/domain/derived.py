"""Scalev pages derived in one call, and the outcome in a form that is easy to compare."""

from __future__ import annotations

from typing import Any

import pandas as pd

from order_assets.domain import scalev
from order_assets.domain.pages import Frames, Page
from order_assets.domain.recognition import Policy
from order_assets_tests.factories import HMAC_KEY, page, scalev_page


def derive(*orders: Any, policy: Policy | None = None) -> Frames:
    """Derive one page."""
    return derive_pages(page(scalev_page(orders)), policy=policy)


def derive_pages(*pages: Page, policy: Policy | None = None) -> Frames:
    """Derive several pages."""
    return scalev.derive(pages, policy or Policy(), HMAC_KEY)


def rows(frames: Frames) -> list[dict[str, Any]]:
    """The fact rows, nulls as None and flags as a set."""
    records = frames.orders.to_dict("records")
    plain: list[dict[str, Any]] = [
        {str(name): None if pd.isna(cell) else cell for name, cell in record.items()} for record in records
    ]
    return [record | {"flags": flags(record["anomaly_codes"])} for record in plain]


def row(order: dict[str, Any]) -> dict[str, Any]:
    """The fact row of one order."""
    return rows(derive(order))[0]


def flags(literal: str) -> set[str]:
    """The codes of an array literal."""
    return set(literal.strip("{}").split(",")) - {""}


def text_cells(frames: Frames) -> list[str]:
    """Every cell of every frame, and every name and value that is counted as unknown, as text."""
    cells = [str(cell) for frame in tables(frames) for column in frame.columns for cell in frame[column]]
    return cells + [part for key in frames.unknown for part in key]


def tables(frames: Frames) -> list[pd.DataFrame]:
    """The frames that are rows of tables."""
    return [
        frames.orders,
        frames.lines,
        frames.events,
        frames.lifecycles,
        frames.discounts,
        frames.stores,
        frames.customers,
    ]

"""Data-quality checks (model.md section 4): each is a statement that returns what violates it.

How a check is shown, and what it blocks, is decided in `defs.checks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from order_assets.warehouse.sql import statement

EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a table in `marts`. The statement's only column `order_key` names what violates it.

    `severity` error: published sums would be wrong; warn: odd, but contained.
    """

    name: str
    table: str
    description: str
    severity: Literal["error", "warn"] = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """How many rows violate a check, and the first of their keys (never personal data)."""

    failing: int
    examples: tuple[str, ...]


CHECKS = (
    Check("natural_key_unique", "order_facts", "One row per source system, account and order id"),
    Check("revenue_ladder_holds", "order_facts", "Net sales + net shipping + other income + residual = payment"),
    Check("conformed_triple_holds", "order_facts", "Original - discount + residual = payment"),
    Check("reportable_orders_have_money", "order_facts", "Money is present exactly where it is reportable"),
    Check("discounts_tie_to_orders", "discount_facts", "Discounts by kind add up to the order's discount"),
    Check(
        "daily_ties_to_facts", "revenue_daily", "Each day, store and currency equals the facts, difference exactly 0"
    ),
)


def find(connection: sa.Connection, check: Check) -> Finding:
    """Run one check."""
    failing = statement(f"checks/{check.name}").columns(order_key=sa.Text()).subquery("failing")
    key = failing.c.order_key
    count = connection.execute(sa.select(sa.func.count()).select_from(failing)).scalar_one()
    examples = connection.execute(sa.select(key).order_by(key).limit(EXAMPLES)).scalars().all() if count else ()
    return Finding(failing=int(count), examples=tuple(examples))

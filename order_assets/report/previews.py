"""A few rows of each table, to see at a glance what is in it.

What Dagster keeps of a run outlives `forget`, so no preview has a row about one person: not their key, and not their
orders without it either. Tables by order or customer are shown as counts by group; summaries as their newest rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from order_assets.report.drawing import plain
from order_assets.warehouse.fact_schema import order_line_facts, order_status_events
from order_assets.warehouse.ledger_schema import as_of
from order_assets.warehouse.schema import (
    dim_customer,
    dim_store,
    discount_facts,
    metadata,
    order_facts,
    order_lifecycle,
)
from order_assets.warehouse.summary_schema import VIEW_COLUMNS, customer_summary

ROWS = 8
_RECENT_DAYS = 62
_LONGEST_TEXT = 60

_DAY, _MONTH = ("order_date", "store_key", "currency_code"), ("order_month", "store_key", "currency_code")
_REVENUE = ("orders_recognised", "net_sales_amount", "sales_discount_rate")
_KIND = ("discount_kind", "orders_recognised", "discount_amount", "discount_rate")
_CODE = ("currency_code", "discount_code", "orders_recognised", "discount_amount", "net_sales_amount")
_PRODUCT = ("product_name", "units", "net_sales_amount")
SUMMARY_COLUMNS: dict[str, tuple[str, ...]] = {
    "revenue_daily": (*_DAY, *_REVENUE),
    "revenue_daily_dense": (*_DAY, *_REVENUE),
    "revenue_monthly": (*_MONTH, *_REVENUE),
    "revenue_movements_daily": (
        "movement_date", "store_key", "currency_code", "recognitions", "reversals", "net_sales_amount",
    ),
    "discount_by_kind_daily": (*_DAY, *_KIND),
    "discount_by_kind_monthly": (*_MONTH, *_KIND),
    "discount_by_code": ("last_used_date", *_CODE),
    "discount_by_code_monthly": ("order_month", *_CODE),
    "product_daily": (*_DAY, *_PRODUCT),
    "product_monthly": (*_MONTH, *_PRODUCT),
    "lifecycle_monthly": (
        "order_month", "store_key", "step", "payment_family", "orders_measured", "p50_seconds", "p90_seconds",
    ),
    "status_funnel_monthly": (*_MONTH, "order_state", "orders"),
    "repeat_rate": ("source_system", "currency_code", "customers", "repeat_customers", "repeat_rate"),
    "customer_cohort_monthly": (
        "cohort_month", "source_system", "currency_code", "month_number", "cohort_size", "active_customers",
        "retention_rate",
    ),
}  # fmt: skip
"""What is shown of each summary; the newest rows by the first column, then in the order of the columns."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Names of the columns, and the rows as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def preview(connection: sa.Connection, name: str) -> Preview:
    """Return a few rows of a table or view of schema `marts`."""
    query = (_GROUPS[name] if name in _GROUPS else _newest_rows(name)).limit(ROWS)
    found = connection.execute(query)
    columns = tuple(found.keys())
    return Preview(columns, tuple(tuple(map(_written, columns, row)) for row in found))


def _newest_rows(name: str) -> sa.Select[Any]:
    known = {c.name: c for c in VIEW_COLUMNS.get(name) or metadata.tables[f"marts.{name}"].columns}
    chosen = SUMMARY_COLUMNS[name]
    table = sa.table(name, *(sa.column(c, known[c].type) for c in chosen), schema="marts")
    newest = sa.select(table).order_by(table.c[chosen[0]].desc().nulls_last(), *(table.c[c] for c in chosen[1:]))
    if name in VIEW_COLUMNS:  # a calendar: its last days are all there, and the whole need not be made to find them
        newest = newest.where(table.c[chosen[0]] > sa.select(as_of.c.as_of_date).scalar_subquery() - ROWS)
    return newest


def _by_order(table: sa.Table, count: str, *groups: Any) -> sa.Select[Any]:
    """Return how many rows of the newest two months there are by month and groups; never which."""
    newest = sa.select(sa.func.max(order_facts.c.order_date)).scalar_subquery()
    month = sa.cast(sa.func.date_trunc("month", order_facts.c.order_date), sa.Date).label("order_month")
    of_order = table.c.order_key == order_facts.c.order_key
    rows = order_facts if table is order_facts else order_facts.join(table, of_order)
    return (
        sa.select(month, *groups, sa.func.count().label(count))
        .select_from(rows)
        .where(order_facts.c.order_date > newest - _RECENT_DAYS)
        .group_by(month, *groups)
        .order_by(month.desc(), sa.desc(count), *groups)
    )


def _counted(count: str, *groups: Any) -> sa.Select[Any]:
    return sa.select(*groups, sa.func.count().label(count)).group_by(*groups).order_by(sa.desc(count), *groups)


_GROUPS: dict[str, sa.Select[Any]] = {
    "order_facts": _by_order(
        order_facts, "orders", order_facts.c.source_system, order_facts.c.currency_code, order_facts.c.revenue_class
    ),
    "order_line_facts": _by_order(
        order_line_facts, "lines", order_facts.c.store_key, order_line_facts.c.currency_code
    ),
    "discount_facts": _by_order(
        discount_facts, "discounts", discount_facts.c.currency_code, discount_facts.c.discount_kind
    ),
    "order_status_events": _by_order(
        order_status_events, "events", order_status_events.c.event_dimension, order_status_events.c.status
    ),
    "order_lifecycle": _by_order(
        order_lifecycle, "orders", order_facts.c.source_system, order_lifecycle.c.is_sequence_ok
    ),
    "dim_store": sa.select(
        dim_store.c.store_key, dim_store.c.display_name, dim_store.c.time_zone, dim_store.c.default_currency
    ).order_by(dim_store.c.first_seen_at.desc(), dim_store.c.store_key),
    "dim_customer": _counted("customers", dim_customer.c.source_system, dim_customer.c.source_account),
    "customer_summary": _counted(
        "customers", customer_summary.c.source_system, customer_summary.c.currency_code,
        customer_summary.c.is_repeat,
    ),
}  # fmt: skip


def _written(column: str, value: object) -> str:
    match value:
        case None:
            return ""
        case date() if column.endswith("_month"):
            return f"{value:%Y-%m}"
        case Decimal():
            digits = f"{value:,f}"
            return digits.rstrip("0").rstrip(".") if "." in digits else digits
        case datetime() | date():
            return value.isoformat()
        case _:
            return plain(str(value), _LONGEST_TEXT)

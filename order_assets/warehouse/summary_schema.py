"""Summary tables, and the dense view. Their measure columns and comments come from the registry of metrics.

Part of `schema.metadata`. The two oldest summaries, `revenue_daily` and `discount_by_kind_monthly`, are in `schema`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.schema import col, key_columns, measures, metadata, revenue_daily, store_groups, text
from order_assets.warehouse.sql import source

_CURRENCY = sa.CHAR(3)


def _day() -> sa.Column[Any]:
    return col("order_date", sa.Date(), "Local date of the order in the store's zone", null=False)


def _month() -> sa.Column[Any]:
    return col("order_month", sa.Date(), "First day of the month of the order date", null=False)


def _source() -> sa.Column[Any]:
    return text("source_system", "scalev or ktsp", null=False)


def _store() -> sa.Column[Any]:
    return text("store_key", "Store", null=False)


def _currency(comment: str = "ISO 4217") -> sa.Column[Any]:
    return col("currency_code", _CURRENCY, comment, null=False)


def _kind() -> sa.Column[Any]:
    return text("discount_kind", "product, code, shipping, unique_code, or order (KTSP)", null=False)


def _summary(name: str, keys: list[sa.Column[Any]], comment: str, *more: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *keys, *measures(REGISTRY[name]), *more, schema="marts", comment=comment)


revenue_monthly = _summary(
    "revenue_monthly",
    store_groups(_month()),
    "Revenue by month of the order date, store and currency; customers counted over the month, not added over days",
    sa.Column("computed_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="When the row last changed"),
    text("run_id", "Dagster run that last changed the row", null=False),
    sa.CheckConstraint("orders_total = orders_placed + orders_draft + orders_excluded", name="total"),
    sa.CheckConstraint("orders_placed = orders_recognised + orders_open + orders_lost", name="placed"),
    sa.CheckConstraint("orders_recognised = orders_new + orders_returning", name="recognised"),
)

revenue_movements_daily = _summary(
    "revenue_movements_daily",
    store_groups(col("movement_date", sa.Date(), "Local date on which orders became revenue or were lost", null=False)),
    "Revenue by the date it was recognised (+) or, if a paid order was lost, reversed (-), store and currency",
)

discount_by_kind_daily = _summary(
    "discount_by_kind_daily", store_groups(_day(), _kind()), "Discounts by order date, store, currency and kind"
)


def _code_keys(*period: sa.Column[Any]) -> list[sa.Column[Any]]:
    return key_columns(
        *period,
        _source(),
        text("source_account", "Scalev store_id: the scope of the code", null=False),
        _currency(),
        text("discount_code", "Code, trimmed, upper case", null=False),
    )


discount_by_code = _summary("discount_by_code", _code_keys(), "Discount codes, over all time")
discount_by_code_monthly = _summary("discount_by_code_monthly", _code_keys(_month()), "Discount codes by month")

customer_summary = _summary(
    "customer_summary",
    key_columns(_source(), text("customer_key", "Customer or member, as a pseudonym", null=False), _currency()),
    "One row per customer and currency with a placed order; ages are taken at ops.as_of",
)

repeat_rate = _summary(
    "repeat_rate", key_columns(_source(), _currency()), "How many customers bought again, per source and currency"
)

customer_cohort_monthly = _summary(
    "customer_cohort_monthly",
    key_columns(
        _source(),
        _currency(),
        col("cohort_month", sa.Date(), "First day of the month of a customer's first recognised order", null=False),
        col("month_number", sa.Integer(), "Months since the cohort's, from 0 to the month of ops.as_of", null=False),
    ),
    "Cohorts of customers by month of their first recognised order; months without orders are rows of zeros",
)


def _product_keys(period: sa.Column[Any]) -> list[sa.Column[Any]]:
    product = text("product_key", "ACCOUNT|VARIANT, else ACCOUNT|sku:SKU, else ACCOUNT|name:SHA256", null=False)
    return key_columns(period, _store(), _currency("Currency of the line, ISO 4217"), product)


product_daily = _summary("product_daily", _product_keys(_day()), "Products by order date, store and line currency")
product_monthly = _summary("product_monthly", _product_keys(_month()), "Products by month, store and line currency")

lifecycle_monthly = _summary(
    "lifecycle_monthly",
    key_columns(
        _month(),
        _store(),
        text("step", "From which to which status, e.g. pending_to_paid", null=False),
        text("payment_family", "cod, non_cod, or all", null=False),
    ),
    "How long orders of a month took from status to status; KTSP reports none",
    sa.CheckConstraint("payment_family in ('cod', 'non_cod', 'all')", name="payment_family"),
)

status_funnel_monthly = _summary(
    "status_funnel_monthly",
    key_columns(
        _month(), _store(), _currency("ISO 4217; XXX counts orders whose money is not reportable"),
        text("order_state", "Canonical lifecycle state", null=False),
    ),
    "Where the orders of a month are now: the backlog; orders deleted at the source are left out",
)  # fmt: skip


def _dense_measures() -> list[str]:
    """Return the measures of the view: what adds is 0 on a day without orders, unless the source does not have it."""
    found = []
    for metric in REGISTRY["revenue_daily"]:
        zero = "0" if metric.unit != "money" else "0::numeric(20, 4)"
        if metric.only:
            zero = f"case when {' and '.join(metric.only)} then {zero} end"
        if metric.published:
            is_ratio = metric.kind in {"ratio", "mean"}
            value = f"r.{metric.name}" if is_ratio else f"coalesce(r.{metric.name}, {zero}) as {metric.name}"
            found.append(value)
    return found


def _dense_statements() -> list[str]:
    """Return the statements that make the view and its comments."""
    name = "marts.revenue_daily_dense"
    listed = ",\n    ".join(_dense_measures())
    comments = {column.name: column.comment for column in revenue_daily.columns}
    names = [column.name for column in revenue_daily.primary_key]
    names += [metric.name for metric in REGISTRY["revenue_daily"] if metric.published]
    quoted = {column: str(comments[column]).replace("'", "''") for column in names}
    about = "revenue_daily with every day from a store''s first order to ops.as_of; days without orders count 0"
    return [
        f"CREATE VIEW {name} AS\n" + source("summaries/revenue_daily_dense").replace("{measures}", listed).rstrip(),
        f"COMMENT ON VIEW {name} IS '{about}, their ratios are NULL'",
        *(f"COMMENT ON COLUMN {name}.{column} IS '{comment}'" for column, comment in quoted.items()),
    ]


VIEWS = tuple(_dense_statements())
"""Statements that make the views, after all tables."""
VIEW_COLUMNS = {
    "revenue_daily_dense": [c for c in revenue_daily.columns if c.name not in {"computed_at", "run_id"}],
}


def _make(statement: str) -> Callable[..., None]:
    def run(_target: sa.MetaData, connection: sa.Connection, **_: Any) -> None:
        connection.exec_driver_sql(statement)

    return run


for _statement in VIEWS:
    sa.event.listen(metadata, "after_create", _make(_statement))

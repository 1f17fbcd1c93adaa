"""Schema `reporting`: the tables of `marts` as views for analysts, with plain names and the name of each store.

Columns and comments are generated from the tables and the registry of metrics; what is written down here is which
tables are shown under which name, what is left out, and how a name becomes plain. Two views are of the ledger, in
numbers only: how complete the data are, and which published months changed. No view names a person or an account: a
customer is a keyed pseudonym. Views run with the rights of their owner, so a reader needs nothing but `reporting`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from order_assets.warehouse import fact_schema  # noqa: F401 - its tables are shown
from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.schema import metadata
from order_assets.warehouse.sql import source
from order_assets.warehouse.summary_schema import VIEW_COLUMNS

SCHEMA = "reporting"

_LEFT_OUT = {
    "run_id", "computed_at", "payload_sha256", "email_hmac", "phone_hmac", "null_components", "source_awb_status",
    "sub_payment_method", "currency_source", "ordered_at_source", "lost_at", "line_basis", "actor_kind", "applied_to",
    "discount_code_raw", "milestones_reached", "variant_id", "name_en", "name_sc", "name_tc", "first_seen_at",
    "last_seen_at",
}  # fmt: skip
_PLAIN = {
    "source_system": "source", "currency_code": "currency", "display_name": "store",
    "original_amount": "before_discounts", "residual_amount": "unexplained_payment",
    "aov_net_sales": "average_order_value", "rts_rate": "return_rate",
    "rts_share_of_shipped": "returned_share_of_shipped", "rts_unit_rate": "unit_return_rate",
    "p50_seconds": "median_seconds", "ltv_to_date": "lifetime_value_to_date", "is_cod": "is_cash_on_delivery",
    "customer_order_seq": "customer_order_number", "alloc_header_discount_amount": "share_of_order_discount",
    "line_gross_amount": "gross", "line_net_sales_amount": "net_sales", "line_discount_amount": "line_discount",
    "line_code_discount_amount": "code_discount",
}  # fmt: skip
_ORDER = {
    "order_date": "Local date of the order in the store's zone",
    "source_order_id": "Scalev order_id, KTSP orderCode",
    "revenue_class": "recognised, open, lost, draft or excluded: revenue is recognised ones only",
}


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view: where it comes from (SQL), and what it means."""

    name: str
    sql: str
    comment: str


@dataclass(frozen=True, slots=True)
class View:
    """A view of schema `reporting`. `keys` tell its rows apart; `of` is the table it shows, None for the ledger."""

    name: str
    comment: str
    of: str | None
    keys: tuple[str, ...]
    columns: tuple[ViewColumn, ...]
    rows: str

    def statements(self) -> list[str]:
        """Return the statements that make the view and its comments."""
        listed = ",\n    ".join(f"{column.sql} as {column.name}" for column in self.columns)
        name = f"{SCHEMA}.{self.name}"
        return [
            f"create view {name} as\nselect\n    {listed}\n{self.rows}",
            f"comment on view {name} is {_quoted(self.comment)}",
            *(f"comment on column {name}.{column.name} is {_quoted(column.comment)}" for column in self.columns),
        ]


def plain(name: str) -> str:
    """Return the plain name of a column of `marts`."""
    if name in _PLAIN:
        return _PLAIN[name]
    for prefix, words in (("avg_", "average_"), ("p90_", "percentile_90_"), ("p95_", "percentile_95_")):
        if name.startswith(prefix):
            name = words + name.removeprefix(prefix)
    name = name.removesuffix("_amount") if name != "discount_amount_lost" else "discount_lost"
    return "_".join("returned" if part == "rts" else part for part in name.split("_"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _columns_of(table: str) -> list[sa.Column[Any]]:
    return VIEW_COLUMNS.get(table) or list(metadata.tables[f"marts.{table}"].columns)


def _comment(column: sa.Column[Any], additive: Mapping[str, bool]) -> str:
    note = "" if additive.get(column.name, True) else " (do not add up)"
    return f"{column.comment}{note}"


def _shown(name: str, table: str, comment: str = "") -> View:
    """Return the view of a table: its columns by plain names, with the store's name beside its key.

    A table that hangs on an order also gets the order's date, store and class.
    """
    columns = _columns_of(table)
    names = {column.name for column in columns}
    additive = {m.name: m.is_additive or m.unit in {"date", "text", "flag"} for m in REGISTRY.get(table, ())}
    of_order = "order_key" in names and table != "order_facts"
    store = ViewColumn("store", "coalesce(s.display_name, {}.store_key)", "Name of the store or programme")
    shown: list[ViewColumn] = []
    for column in columns:
        if column.name in _LEFT_OUT or column.name.startswith("src_"):
            continue
        type_ = f"::{column.type}".lower() if table in VIEW_COLUMNS and isinstance(column.type, sa.Numeric) else ""
        shown.append(ViewColumn(plain(column.name), f"t.{column.name}{type_}", _comment(column, additive)))
        if column.name == "order_key" and of_order:
            shown += [ViewColumn(key, f"f.{key}", words) for key, words in _ORDER.items() if key not in names]
            shown += [ViewColumn("source", "f.source_system", "scalev or ktsp"),
                      ViewColumn("store_key", "f.store_key", "Store")]  # fmt: skip
        if shown[-1].name == "store_key" and table != "dim_store":
            shown.append(ViewColumn(store.name, store.sql.format("f" if of_order else "t"), store.comment))
    rows = f"from marts.{table} as t"
    if of_order:
        rows += "\ninner join marts.order_facts as f on f.order_key = t.order_key"
    if any(column.name == "store" for column in shown) and table != "dim_store":
        rows += f"\nleft join marts.dim_store as s on s.store_key = {'f' if of_order else 't'}.store_key"
    origin = metadata.tables.get(f"marts.{table}")
    keys = [c.name for c in origin.primary_key] if origin is not None else [
        c.name for c in metadata.tables["marts.revenue_daily"].primary_key
    ]  # fmt: skip
    text = comment or str(origin.comment if origin is not None else "")
    return View(name, text, table, tuple(map(plain, keys)), tuple(shown), rows)


def _ledger(name: str, comment: str, keys: tuple[str, ...], columns: Mapping[str, str]) -> View:
    """Return a view of the ledger; its statement is in a file."""
    listed = tuple(ViewColumn(column, f"v.{column}", words) for column, words in columns.items())
    return View(name, comment, None, keys, listed, f"from (\n{source(f'reporting/{name}').rstrip()}\n) as v")


VIEWS: tuple[View, ...] = (
    _shown("orders", "order_facts",
           "One row per order as it is now. Revenue: revenue_class = 'recognised', per currency"),
    _shown("order_lines", "order_line_facts"),
    _shown("order_discounts", "discount_facts"),
    _shown("order_milestones", "order_lifecycle"),
    _shown("order_status_changes", "order_status_events"),
    _shown("stores", "dim_store"),
    _shown("customers", "dim_customer"),
    _shown("revenue_by_day", "revenue_daily"),
    _shown("revenue_by_day_without_gaps", "revenue_daily_dense",
           "revenue_by_day with every day from a store's first order on; days without orders count 0"),
    _shown("revenue_by_month", "revenue_monthly"),
    _shown("revenue_movements_by_day", "revenue_movements_daily"),
    _shown("discounts_by_day", "discount_by_kind_daily"),
    _shown("discounts_by_month", "discount_by_kind_monthly"),
    _shown("discount_codes", "discount_by_code"),
    _shown("discount_codes_by_month", "discount_by_code_monthly"),
    _shown("customer_totals", "customer_summary"),
    _shown("repeat_customers", "repeat_rate"),
    _shown("cohorts_by_month", "customer_cohort_monthly"),
    _shown("products_by_day", "product_daily"),
    _shown("products_by_month", "product_monthly"),
    _shown("durations_by_month", "lifecycle_monthly"),
    _shown("order_states_by_month", "status_funnel_monthly"),
    _ledger(
        "completeness",
        "How many accounts of each store or programme are known to be complete: read it before the numbers",
        ("source", "source_account"),
        {
            "source": "scalev or ktsp",
            "source_account": "Scalev store_id or KTSP programme",
            "accounts": "Accounts that are crawled: customers or members",
            "accounts_complete": "Accounts whose last crawl saw everything",
            "accounts_not_complete": "Accounts whose last crawl did not, or that were never crawled",
            "accounts_retired": "Accounts that are no longer crawled; their orders stay",
            "oldest_complete_at": "When the account that waits longest was last complete (UTC)",
            "newest_complete_at": "When an account was last complete (UTC)",
        },
    ),
    _ledger(
        "restatements",
        "Published months that changed afterwards, by how much, and by how many orders",
        ("detected_at", "restatement_id"),
        {
            "restatement_id": "Grows with each change",
            "detected_at": "When the numbers changed (UTC)",
            "order_month": "First day of the month whose sum changed",
            "source": "scalev or ktsp",
            "store_key": "Store",
            "store": "Name of the store or programme",
            "currency": "ISO 4217",
            "metric": "Which sum changed: net_sales_amount, payment_amount, discount_amount or orders_recognised",
            "old_value": "Sum of the month before; an amount in currency, or a number of orders",
            "new_value": "Sum of the month after",
            "difference": "New less old",
            "orders": "How many orders did it",
        },
    ),
)  # fmt: skip
"""Every view, in the order in which a reader meets them."""


def statements() -> list[str]:
    """Return all statements that make the views."""
    return [statement for view in VIEWS for statement in view.statements()]


def _make(statement: str) -> Callable[..., None]:
    def run(_target: sa.MetaData, connection: sa.Connection, **_: Any) -> None:
        connection.exec_driver_sql(statement)

    return run


for _statement in statements():
    sa.event.listen(metadata, "after_create", _make(_statement))

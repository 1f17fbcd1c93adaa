"""Every table and column, once. Migrations are proven equal to this module, column comments come from it.

Schemas: `marts` holds facts and summaries (model.md and its DDL are the contract), `ops` is the ledger, `raw` holds
pages as received, encrypted, and `reporting` (see `reporting`) shows them to analysts by plain names. Measure columns of the
summaries come from the registry in `metrics`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from order_assets.warehouse.metrics import DISCOUNT_BY_KIND, PLACES, REVENUE, Metric, Unit

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)
SCHEMAS = ("marts", "ops", "raw", "reporting")

_INSTANT = sa.TIMESTAMP(timezone=True)
_MONEY = sa.Numeric(20, 4)
_RATE = sa.Numeric(9, 6)
_CURRENCY = sa.CHAR(3)
_TEXTS = ARRAY(sa.Text)


def col(name: str, type_: sa.types.TypeEngine[Any], comment: str, *, null: bool = True) -> sa.Column[Any]:
    """Return a column with its comment."""
    return sa.Column(name, type_, nullable=null, comment=comment)


def text(name: str, comment: str, *, null: bool = True) -> sa.Column[Any]:
    """Return a text column with its comment."""
    return col(name, sa.Text(), comment, null=null)


def _money(name: str, comment: str, *, null: bool = True) -> sa.Column[Any]:
    return col(name, _MONEY, f"{comment}; in currency_code", null=null)


def _instant(name: str, comment: str, *, null: bool = True) -> sa.Column[Any]:
    return col(name, _INSTANT, comment, null=null)


def _fk(name: str, target: str, comment: str, *, cascade: bool = False, pk: bool = False) -> sa.Column[Any]:
    key = sa.ForeignKey(target, ondelete="CASCADE" if cascade else None)
    return sa.Column(name, sa.Text(), key, nullable=False, primary_key=pk, comment=comment)


def _one_of(column: str, *values: str, name: str | None = None) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} in ({listed})", name=name or column)


_TYPES: dict[Unit, sa.types.TypeEngine[Any]] = {
    "money": _MONEY,
    "rate": _RATE,
    "mean days": sa.Numeric(12, 4),
    "seconds": sa.Numeric(14, 1),
    "date": sa.Date(),
    "flag": sa.Boolean(),
    "text": sa.Text(),
}


def measures(metrics: Iterable[Metric]) -> list[sa.Column[Any]]:
    """Return the columns of the published metrics."""
    return [
        sa.Column(m.name, _TYPES.get(m.unit, sa.Integer()), nullable=not m.required, comment=m.description)
        for m in metrics
        if m.published
    ]


# The registry rounds to the column's scale.
assert {unit: type_.scale for unit, type_ in _TYPES.items() if isinstance(type_, sa.Numeric)} == PLACES  # noqa: S101

dim_store = sa.Table(
    "dim_store",
    metadata,
    sa.Column("store_key", sa.Text(), primary_key=True, comment="SOURCE|STORE_ID; SOURCE|unknown is the default row"),
    text("source_system", "scalev or ktsp", null=False),
    text("source_store_id", "Scalev store.unique_id, KTSP storeCode, or unknown", null=False),
    text("display_name", "English name, else traditional, else simplified, else the id", null=False),
    text("name_en", "Last English name seen"),
    text("name_sc", "Last simplified Chinese name seen"),
    text("name_tc", "Last traditional Chinese name seen"),
    text("time_zone", "IANA zone in which business dates are taken", null=False),
    col("default_currency", _CURRENCY, "Currency used where no line names one", null=False),
    _instant("first_seen_at", "When a page first named the store", null=False),
    _instant("last_seen_at", "When the row was last brought up to date", null=False),
    _one_of("source_system", "scalev", "ktsp"),
    sa.UniqueConstraint("source_system", "source_store_id"),
    schema="marts",
    comment="One row per store; names follow the source, a new name is not a new store",
)

dim_customer = sa.Table(
    "dim_customer",
    metadata,
    sa.Column("customer_key", sa.Text(), primary_key=True, comment="HMAC-SHA256(key, source|account|id), hex"),
    text("source_system", "scalev or ktsp", null=False),
    text("source_account", "Store or programme the person belongs to", null=False),
    text("source_status", "Status of the customer at the source, if it says one"),
    _instant("customer_created_at", "When the source created the customer, if it says so"),
    text("email_hmac", "Pseudonym of the e-mail address; NULL unless switched on"),
    text("phone_hmac", "Pseudonym of the phone number; NULL unless switched on"),
    _instant("first_seen_at", "When a page first named the customer", null=False),
    _instant("last_seen_at", "When the row was last brought up to date", null=False),
    schema="marts",
    comment="One row per customer or member, known only by a keyed pseudonym",
)

order_facts = sa.Table(
    "order_facts",
    metadata,
    sa.Column("order_key", sa.Text(), primary_key=True, comment="hex(sha256(source_system|source_account|source_order_id))"),
    text("source_system", "scalev or ktsp", null=False),
    text("source_account", "Scalev store_id or KTSP programme: the scope of the order's id", null=False),
    text("source_order_id", "Scalev order_id, KTSP orderCode", null=False),
    text("source_order_uuid", "Scalev id, for cross-reference"),
    _fk("store_key", "marts.dim_store.store_key", "Store; ktsp|unknown where the source names none"),
    _fk("customer_key", "marts.dim_customer.customer_key", "Customer or member, as a pseudonym"),
    text("source_status", "Order status as sent, lower case"),
    text("source_payment_status", "Payment status as sent, lower case"),
    text("source_shipment_status", "Shipment status as sent, lower case"),
    text("source_awb_status", "Air waybill status as sent, lower case"),
    text("order_state", "Canonical lifecycle state", null=False),
    text("payment_state", "Canonical payment state", null=False),
    text("state_source", "source, or assumed where the source reports no status (KTSP)", null=False),
    text("recognition_state", "draft, open, recognised or lost under the recognition policy", null=False),
    text("lost_kind", "Why a lost order is lost"),
    col("is_money_reportable", sa.Boolean(), "False if currency or a core amount cannot be trusted", null=False),
    sa.Column(
        "is_deleted_at_source", sa.Boolean(), nullable=False, server_default=sa.false(),
        comment="A complete, unsuspicious crawl of the account did not see the order any more",
    ),
    text("excluded_reason", "Why the order is left out of money sums"),
    sa.Column(
        "revenue_class", sa.Text(),
        sa.Computed(
            "case when is_deleted_at_source or not is_money_reportable then 'excluded' else recognition_state end",
            persisted=True,
        ),
        nullable=False, comment="recognised, open, lost, draft or excluded: exactly one",
    ),
    text("payment_method", "Payment method as sent, lower case"),
    text("sub_payment_method", "Second payment method field of older answers"),
    col("is_cod", sa.Boolean(), "Paid on delivery"),
    col("is_dropship", sa.Boolean(), "Dropship order"),
    col("is_physical", sa.Boolean(), "Has a courier or was shipped; denominator of the return rate"),
    text("courier_code", "Courier company"),
    text("courier_service_code", "Courier service level"),
    text("ship_province", "Province of the destination; NULL unless switched on"),
    text("ship_city", "City of the destination; NULL unless switched on"),
    text("discount_code", "Discount code, trimmed, upper case"),
    text("discount_code_applied_to", "What the code's discount was taken from, as sent"),
    text("other_income_name", "Label of the surcharge"),
    col("currency_code", _CURRENCY, "ISO 4217; XXX where it is mixed or invalid", null=False),
    text("currency_source", "Where the currency comes from", null=False),
    _money("gross_sales_amount", "Goods before discounts"),
    _money("sales_discount_amount", "Discounts on goods"),
    _money("net_sales_amount", "Gross sales less discounts on goods"),
    _money("shipping_charged_amount", "Shipping before discounts; NULL for KTSP"),
    _money("shipping_discount_amount", "Discounts on shipping; NULL for KTSP"),
    _money("net_shipping_amount", "Shipping charged less its discounts; NULL for KTSP"),
    _money("other_income_amount", "Surcharge paid by the buyer; NULL for KTSP"),
    _money("original_amount", "Everything before discounts"),
    _money("discount_amount", "Everything taken off"),
    _money("payment_amount", "What the buyer pays"),
    _money("residual_amount", "payment - (original - discount): what the source does not explain"),
    _money("promo_discount_amount", "Discounts a marketer gave"),
    _money("technical_discount_amount", "The unique code that makes a bank transfer recognisable"),
    *(
        _money(f"src_{name}", f"Source field {name} as sent, also where the measures are NULL")
        for name in (
            "product_price", "product_discount", "discount_code_discount", "unique_code_discount", "shipping_cost",
            "shipping_discount", "other_income", "gross_revenue", "gross_revenue_dropshipper",
        )
    ),
    text("src_discount_rate", "Source field discount_rate as sent; its basis is undocumented"),
    sa.Column(
        "null_components", _TEXTS, nullable=False, server_default="{}",
        comment="Source amounts that were absent or null and count as 0",
    ),
    col("line_count", sa.Integer(), "Number of order lines"),
    col("total_quantity", sa.Integer(), "Sum of line quantities"),
    col("src_total_quantity", sa.Integer(), "Source field total_quantity"),
    col("total_weight", sa.Numeric(14, 3), "Source field total_weight, grams"),
    _instant("ordered_at", "When the order was placed (UTC)", null=False),
    text("ordered_at_source", "Which source field ordered_at comes from", null=False),
    text("store_time_zone", "IANA zone in which the dates of this row are taken", null=False),
    col("order_date", sa.Date(), "Local date of ordered_at in store_time_zone", null=False),
    _instant("recognised_at", "When the order became revenue (UTC)"),
    text("recognised_at_source", "Which source field recognised_at comes from"),
    col("recognised_date", sa.Date(), "Local date of recognised_at"),
    _instant("lost_at", "When the order was lost (UTC)"),
    col("lost_date", sa.Date(), "Local date of lost_at"),
    col("customer_order_seq", sa.Integer(), "Rank among the customer's recognised orders in this currency, from 1"),
    sa.Column("anomaly_codes", _TEXTS, nullable=False, server_default="{}", comment="What is odd about the row (model.md 1.7)"),
    _instant("source_updated_at", "When the source last changed the order, if it says so"),
    _instant("first_seen_at", "When the order was first fetched", null=False),
    _instant("last_seen_at", "When the version in this row was last fetched and loaded", null=False),
    _instant("last_changed_at", "When the row last changed", null=False),
    col("payload_sha256", sa.CHAR(64), "Fingerprint of the order's canonical JSON without personal data", null=False),
    text("run_id", "Dagster run that wrote the row", null=False),
    sa.UniqueConstraint("source_system", "source_account", "source_order_id"),
    _one_of("source_system", "scalev", "ktsp"),
    _one_of(
        "order_state", "draft", "open", "processing", "shipped", "completed", "returned", "canceled", "closed", "unknown"
    ),
    _one_of("payment_state", "unpaid", "paid", "settled", "conflict", "unknown", "assumed_paid"),
    _one_of("state_source", "source", "assumed"),
    _one_of("recognition_state", "draft", "open", "recognised", "lost"),
    _one_of("lost_kind", "canceled", "rts", "closed_unpaid"),
    _one_of("excluded_reason", "deleted", "mixed_currency", "bad_currency", "bad_amount"),
    _one_of("currency_source", "lines", "store_default", "account_config", "mixed", "invalid"),
    _one_of(
        "ordered_at_source", "created_at", "draft_time", "pending_time", "earliest_time", "orderTime", "first_seen"
    ),
    sa.CheckConstraint("currency_code ~ '^[A-Z]{3}$'", name="currency_code"),
    sa.CheckConstraint(
        "is_money_reportable = (excluded_reason is null or excluded_reason = 'deleted')", name="reportable_reason"
    ),
    sa.CheckConstraint("is_money_reportable = (net_sales_amount is not null)", name="reportable_net_sales"),
    sa.CheckConstraint("is_money_reportable = (payment_amount is not null)", name="reportable_payment"),
    sa.CheckConstraint("net_sales_amount = gross_sales_amount - sales_discount_amount", name="net_sales"),
    sa.CheckConstraint("net_shipping_amount = shipping_charged_amount - shipping_discount_amount", name="net_shipping"),
    sa.CheckConstraint("residual_amount = payment_amount - (original_amount - discount_amount)", name="conformed_triple"),
    sa.CheckConstraint(
        "net_sales_amount + coalesce(net_shipping_amount, 0) + coalesce(other_income_amount, 0) + residual_amount"
        " = payment_amount",
        name="ladder",
    ),
    sa.CheckConstraint("discount_amount = promo_discount_amount + technical_discount_amount", name="discount_classes"),
    sa.CheckConstraint("(recognition_state = 'lost') = (lost_kind is not null)", name="lost_has_kind"),
    sa.CheckConstraint("currency_code <> 'XXX' or not is_money_reportable", name="no_currency_no_money"),
    sa.Index(None, "order_date", "store_key", "currency_code"),
    sa.Index(None, "recognised_date"),
    sa.Index(None, "customer_key", "ordered_at"),
    # So that a load finds the few orders that may find their customer, without reading all.
    sa.Index(
        "order_facts_customer_missing_idx", "order_key",
        postgresql_where=sa.text("anomaly_codes @> '{customer_missing}'::text[]"),
    ),
    schema="marts",
    comment="One row per source order, current state. Money of different currencies must not be added",
)  # fmt: skip

order_lifecycle = sa.Table(
    "order_lifecycle",
    metadata,
    _fk("order_key", "marts.order_facts.order_key", "The order", cascade=True, pk=True),
    _instant("ordered_at", "When the order was placed (UTC)", null=False),
    *(
        _instant(f"{status}_at", f"First valid time of {status} (UTC)")
        for status in (
            "draft", "pending", "confirmed", "in_process", "ready", "shipped", "completed", "rts", "canceled", "closed",
            "unpaid", "paid", "transfer",
        )
    ),
    col("milestones_reached", sa.Integer(), "Number of statuses reached", null=False),
    col("reopened_count", sa.Integer(), "How often a status was entered again", null=False),
    col("is_sequence_ok", sa.Boolean(), "Statuses were reached in their usual order", null=False),
    schema="marts",
    comment="One row per order: when it first reached which status. transfer_at is typed by staff; use no durations of it",
)  # fmt: skip

discount_facts = sa.Table(
    "discount_facts",
    metadata,
    _fk("order_key", "marts.order_facts.order_key", "The order", cascade=True, pk=True),
    sa.Column(
        "discount_kind", sa.Text(), primary_key=True, comment="product, code, shipping, unique_code, or order (KTSP)"
    ),
    text("discount_class", "promotional, technical (unique code) or unknown (KTSP)", null=False),
    text("discount_code", "Code, trimmed, upper case"),
    text("discount_code_raw", "Code as sent"),
    text("applied_to", "What the code's discount was taken from, as sent"),
    col("currency_code", _CURRENCY, "ISO 4217", null=False),
    _money("amount", "Amount taken off", null=False),
    _money("basis_amount", "Amount it was taken from", null=False),
    _one_of("discount_kind", "product", "code", "shipping", "unique_code", "order"),
    _one_of("discount_class", "promotional", "technical", "unknown"),
    sa.CheckConstraint("amount <> 0", name="amount"),
    schema="marts",
    comment="One row per order and kind of discount that is not zero; they add up to order_facts.discount_amount",
)


def key_columns(*columns: sa.Column[Any]) -> list[sa.Column[Any]]:
    """Return the columns as the primary key of a summary."""
    for column in columns:
        column.primary_key = True
    return list(columns)


def store_groups(period: sa.Column[Any], *more: sa.Column[Any]) -> list[sa.Column[Any]]:
    """Return the key columns of a summary by period, source, store, currency and more."""
    return key_columns(
        period,
        text("source_system", "scalev or ktsp", null=False),
        text("store_key", "Store", null=False),
        col("currency_code", _CURRENCY, "ISO 4217; XXX counts orders whose money is not reportable", null=False),
        *more,
    )


revenue_daily = sa.Table(
    "revenue_daily",
    metadata,
    *store_groups(col("order_date", sa.Date(), "Local date of the order in the store's zone", null=False)),
    *measures(REVENUE),
    _instant("computed_at", "When the row last changed", null=False),
    text("run_id", "Dagster run that last changed the row", null=False),
    sa.CheckConstraint("orders_total = orders_placed + orders_draft + orders_excluded", name="total"),
    sa.CheckConstraint("orders_placed = orders_recognised + orders_open + orders_lost", name="placed"),
    sa.CheckConstraint("orders_recognised = orders_new + orders_returning", name="recognised"),
    schema="marts",
    comment="Revenue by order date, store and currency: observed revenue of the configured customers and members",
)

discount_by_kind_monthly = sa.Table(
    "discount_by_kind_monthly",
    metadata,
    *store_groups(
        col("order_month", sa.Date(), "First day of the month of the order date", null=False),
        text("discount_kind", "product, code, shipping, unique_code, or order (KTSP)", null=False),
    ),
    *measures(DISCOUNT_BY_KIND),
    schema="marts",
    comment="Discounts by month, store, currency and kind",
)

"""Tables of schema `marts` that hang on an order, more than one row each: its lines and its status events.

The order itself, its milestones and its discounts are in `schema`; the reference is model.md 2.1 and 2.3.
"""

from __future__ import annotations

import sqlalchemy as sa

from order_assets.warehouse.schema import col, metadata, text

_INSTANT = sa.TIMESTAMP(timezone=True)
_MONEY = sa.Numeric(20, 4)


def _order_key() -> sa.Column[str]:
    key = sa.ForeignKey("marts.order_facts.order_key", ondelete="CASCADE")
    return sa.Column("order_key", sa.Text(), key, primary_key=True, comment="The order")


order_line_facts = sa.Table(
    "order_line_facts",
    metadata,
    _order_key(),
    sa.Column(
        "line_number", sa.Integer(), primary_key=True, autoincrement=False, comment="Position in the order, from 1"
    ),
    text("source_line_id", "Id of the line at the source"),
    text("product_key", "ACCOUNT|VARIANT, else ACCOUNT|sku:SKU, else ACCOUNT|name:HASH of the name", null=False),
    col("variant_id", sa.BigInteger(), "Variant at the source, where it is a number"),
    text("sku", "Stock keeping unit"),
    text("product_name", "Name of the product when it was ordered"),
    text("option1", "First option of the variant, such as its size"),
    text("option2", "Second option of the variant"),
    text("option3", "Third option of the variant"),
    text("item_type", "Kind of item, as sent"),
    text("pricing_type", "One-time or recurring, as sent"),
    text("billing_interval", "Interval of a recurring price"),
    col("billing_interval_count", sa.Integer(), "Number of intervals between two payments"),
    col("is_digital", sa.Boolean(), "Nothing is shipped; NULL where the source does not say"),
    col("currency_code", sa.CHAR(3), "ISO 4217, the line's own; XXX where it is invalid", null=False),
    text("currency_source", "Where the currency comes from: line, order or store_default", null=False),
    col("quantity", sa.Integer(), "Pieces; 0 where the source does not say", null=False),
    col("unit_price_amount", _MONEY, "Price of one piece before discounts; in currency_code"),
    col("line_gross_amount", _MONEY, "The line before discounts; in currency_code", null=False),
    col("line_discount_amount", _MONEY, "Discount the source gives on the line; in currency_code", null=False),
    col(
        "line_code_discount_amount", _MONEY,
        "The line's part of the code's discount, 0 where the code is for shipping; in currency_code", null=False,
    ),
    col(
        "alloc_header_discount_amount", _MONEY,
        "The line's share of discounts on goods that only the order has; in currency_code", null=False,
    ),
    col(
        "line_net_sales_amount", _MONEY,
        "Gross less the three discounts; adds up to the order's net_sales_amount; in currency_code", null=False,
    ),
    text("line_basis", "Whether the source's amount is the line_total, a unit_price, or unreconciled", null=False),
    col("weight", sa.Numeric(14, 3), "Weight at the source, grams"),
    sa.CheckConstraint("line_number >= 1", name="line_number"),
    sa.CheckConstraint("currency_source in ('line', 'order', 'store_default')", name="currency_source"),
    sa.CheckConstraint("line_basis in ('line_total', 'unit_price', 'unreconciled')", name="line_basis"),
    sa.CheckConstraint(
        "line_net_sales_amount = line_gross_amount - line_discount_amount - line_code_discount_amount"
        " - alloc_header_discount_amount",
        name="net_sales",
    ),
    schema="marts",
    comment="One row per line of a Scalev order; net sales of the lines add up to that of the order",
)  # fmt: skip

order_status_events = sa.Table(
    "order_status_events",
    metadata,
    _order_key(),
    sa.Column("event_dimension", sa.Text(), primary_key=True, comment="order, payment or shipment"),
    sa.Column("status", sa.Text(), primary_key=True, comment="Status that was entered, as sent, lower case"),
    sa.Column("occurred_at", _INSTANT, primary_key=True, comment="When it was entered (UTC)"),
    text(
        "event_source", "time_column, history, observed (our sighting of a change) or order_time (KTSP)", null=False
    ),
    col("is_first", sa.Boolean(), "First entry into this status", null=False),
    text("actor_kind", "Who did it; NULL, since the source's answer is personal data"),
    sa.CheckConstraint("event_dimension in ('order', 'payment', 'shipment')", name="event_dimension"),
    sa.CheckConstraint("event_source in ('time_column', 'history', 'observed', 'order_time')", name="event_source"),
    schema="marts",
    comment="One row per entry of an order into a status: the log beside the milestones of order_lifecycle",
)  # fmt: skip

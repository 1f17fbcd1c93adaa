"""The tables of the report: sums by currency and store, discount codes, accounts in trouble, restatements.

As in the pictures nothing is about one person. Amounts are decimals in the currency beside them; currencies are never
added. Revenue is that observed of the configured accounts, never a store's total (model.md, finding 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa

from order_assets.warehouse.ledger_schema import accounts, as_of, crawls, restatements
from order_assets.warehouse.schema import dim_store, revenue_daily
from order_assets.warehouse.summary_schema import discount_by_code

CODES = 10
TROUBLED = 50
RESTATED = 20
_NO_CURRENCY = "XXX"


@dataclass(frozen=True, slots=True)
class Totals:
    """Revenue of one currency, over all dates and stores of the daily summary. Amounts in that currency."""

    currency_code: str
    orders_recognised: int
    orders_open: int
    orders_lost: int
    gross_sales_amount: Decimal
    sales_discount_amount: Decimal
    net_sales_amount: Decimal
    payment_amount: Decimal


@dataclass(frozen=True, slots=True)
class StoreTotals:
    """Revenue of one store (or programme) and currency, over all dates."""

    source_system: str
    store: str
    currency_code: str
    orders_recognised: int
    gross_sales_amount: Decimal
    sales_discount_amount: Decimal
    net_sales_amount: Decimal


@dataclass(frozen=True, slots=True)
class CodeTotals:
    """One discount code of one source and currency, over all dates."""

    source_system: str
    discount_code: str
    currency_code: str
    orders_recognised: int
    discount_amount: Decimal


@dataclass(frozen=True, slots=True)
class Troubled:
    """An account whose last crawl did not end complete."""

    source_system: str
    partition_key: str
    status: str
    reason: str
    words: str
    finished_at: datetime | None
    last_complete_at: datetime | None


@dataclass(frozen=True, slots=True)
class Restated:
    """A published month of a store whose sum changed, in the unit of the metric."""

    detected_at: datetime
    period: date
    source_system: str
    store_key: str
    currency_code: str
    metric: str
    old_value: Decimal | None
    new_value: Decimal | None
    orders: int


def taken_at(connection: sa.Connection) -> date | None:
    """Return the date at which ages were taken last, None before the first summary."""
    found: date | None = connection.execute(sa.select(sa.func.max(as_of.c.as_of_date))).scalar_one()
    return found


def totals(connection: sa.Connection) -> tuple[Totals, ...]:
    """Return revenue by currency."""
    names = [name for name in Totals.__dataclass_fields__ if name != "currency_code"]
    sums = [sa.func.sum(revenue_daily.c[name]) for name in names]
    query = (
        sa.select(revenue_daily.c.currency_code, *sums)
        .where(revenue_daily.c.currency_code != _NO_CURRENCY)
        .group_by(revenue_daily.c.currency_code)
        .order_by(revenue_daily.c.currency_code)
    )
    return tuple(Totals(*row) for row in connection.execute(query))


def by_store(connection: sa.Connection) -> tuple[StoreTotals, ...]:
    """Return revenue by store and currency, largest first within a currency."""
    table = revenue_daily
    name = sa.func.coalesce(dim_store.c.display_name, table.c.store_key)
    sums = [sa.func.sum(table.c[c]) for c in ("gross_sales_amount", "sales_discount_amount", "net_sales_amount")]
    query = (
        sa.select(table.c.source_system, name, table.c.currency_code, sa.func.sum(table.c.orders_recognised), *sums)
        .outerjoin(dim_store, dim_store.c.store_key == table.c.store_key)
        .where(table.c.currency_code != _NO_CURRENCY)
        .group_by(table.c.source_system, table.c.store_key, name, table.c.currency_code)
        .order_by(table.c.currency_code, sums[-1].desc(), name)
    )
    return tuple(StoreTotals(*row) for row in connection.execute(query))


def codes(connection: sa.Connection) -> tuple[CodeTotals, ...]:
    """Return the discount codes that most recognised orders carry."""
    table = discount_by_code
    query = (
        sa.select(*(table.c[field] for field in CodeTotals.__dataclass_fields__))
        .where(table.c.orders_recognised > 0)
        .order_by(table.c.orders_recognised.desc(), table.c.source_system, table.c.discount_code)
        .limit(CODES)
    )
    return tuple(CodeTotals(*row) for row in connection.execute(query))


def troubled(connection: sa.Connection) -> tuple[Troubled, ...]:
    """Return accounts whose last crawl did not end complete, those first whose last complete one is oldest."""
    mine = sa.and_(
        crawls.c.source_system == accounts.c.source_system, crawls.c.partition_key == accounts.c.partition_key
    )
    last = (
        sa.select(crawls).where(mine, crawls.c.status != "running").order_by(crawls.c.crawl_id.desc()).limit(1)
    ).lateral("last")
    complete = sa.select(sa.func.max(crawls.c.finished_at)).where(mine, crawls.c.status == "complete").scalar_subquery()
    query = (
        sa.select(
            accounts.c.source_system, accounts.c.partition_key, last.c.status, last.c.reason, last.c.reason_words,
            last.c.finished_at, complete.label("complete_at"),
        )
        .join(last, sa.true())
        .where(accounts.c.state != "retired", last.c.status != "complete")
        .order_by(sa.text("complete_at nulls first"), accounts.c.account_number)
        .limit(TROUBLED)
    )  # fmt: skip
    return tuple(Troubled(*row[:3], row[3] or "", row[4] or "", *row[5:]) for row in connection.execute(query))


def restated(connection: sa.Connection) -> tuple[Restated, ...]:
    """Return the newest restatements."""
    table = restatements
    query = (
        sa.select(
            table.c.detected_at, table.c.period, table.c.source_system, table.c.store_key, table.c.currency_code,
            table.c.metric, table.c.old_value, table.c.new_value, sa.func.cardinality(table.c.order_keys),
        )
        .order_by(table.c.detected_at.desc(), table.c.restatement_id)
        .limit(RESTATED)
    )  # fmt: skip
    return tuple(Restated(*row) for row in connection.execute(query))

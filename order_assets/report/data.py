"""What the pictures show, as small typed objects, and the queries that fill them. Amounts stay decimal.

All read the summaries and the ledger of accounts, never single orders, so a picture costs the same however many
orders there are. Nothing is about one person: groups are stores, currencies, months and accounts' states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from order_assets.warehouse.ledger_schema import accounts, crawls
from order_assets.warehouse.schema import dim_store, discount_by_kind_monthly, revenue_daily
from order_assets.warehouse.summary_schema import customer_cohort_monthly, lifecycle_monthly, revenue_monthly

MONTHS = 24
DAYS = 92
COHORTS = 12
STORES = 3
PANELS = 4
"""Currencies (or other things that share no axis) a picture has room for."""
STEPS = ("pending_to_paid", "paid_to_shipped", "shipped_to_completed", "ordered_to_completed")
_NO_CURRENCY = "XXX"


@dataclass(frozen=True, slots=True)
class Revenue:
    """Recognised revenue of one day or month, in the currency of its series."""

    period: date
    net_sales: Decimal
    gross_sales: Decimal
    sales_discount: Decimal


@dataclass(frozen=True, slots=True)
class RevenueTrend:
    """Revenue by consecutive days or months, one series per currency; `left_out` names currencies without a place."""

    grain: Literal["day", "month"]
    series: Mapping[str, tuple[Revenue, ...]]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiscountMix:
    """Discount amounts by consecutive months (first days) and kind, per currency."""

    months: tuple[date, ...]
    by_currency: Mapping[str, Mapping[str, tuple[Decimal, ...]]]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cohort:
    """Customers by the month of their first order, and the share of them that bought again, by month from 1 on."""

    month: date
    size: int
    retention: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """The newest cohorts of each source and currency, oldest first."""

    groups: Mapping[str, tuple[Cohort, ...]]


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a step took the orders of a month, in seconds: median, 90th and 95th percentile; None if none did."""

    month: date
    p50: Decimal | None
    p90: Decimal | None
    p95: Decimal | None


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Durations by store (display name) and step, for the stores with most orders; `left_out` counts the others."""

    stores: Mapping[str, Mapping[str, tuple[Duration, ...]]]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """The accounts that are not retired, counted by source system.

    `verdicts`: how the last crawl ended, "never crawled" if there was none. `states`: of the account. `reasons`: why
    last crawls did not end complete. `oldest_success`: the account whose last complete crawl is oldest, and when.
    """

    verdicts: Mapping[str, Mapping[str, int]]
    states: Mapping[str, int]
    reasons: Mapping[str, int]
    oldest_success: tuple[str, datetime] | None = None

    @property
    def never_crawled(self) -> int:
        """How many accounts no crawl has ended for yet."""
        return sum(by.get("never crawled", 0) for by in self.verdicts.values())

    @property
    def troubled(self) -> int:
        """How many accounts' last crawl did not end complete."""
        return sum(self.reasons.values())

    @property
    def total(self) -> int:
        """How many accounts there are."""
        return sum(self.states.values())


def revenue_by_month(connection: sa.Connection) -> RevenueTrend:
    """Return the revenue of the newest months."""
    return _revenue(connection, "month", revenue_monthly, revenue_monthly.c.order_month)


def revenue_by_day(connection: sa.Connection) -> RevenueTrend:
    """Return the revenue of the newest days; days without orders are there with 0."""
    return _revenue(connection, "day", revenue_daily, revenue_daily.c.order_date)


def _revenue(
    connection: sa.Connection, grain: Literal["day", "month"], table: sa.Table, period: sa.Column[Any]
) -> RevenueTrend:
    periods = _newest_periods(connection, period, grain)
    if not periods:
        return RevenueTrend(grain, {})
    sums = [sa.func.sum(table.c[name]) for name in ("net_sales_amount", "gross_sales_amount", "sales_discount_amount")]
    query = (
        sa.select(table.c.currency_code, period, *sums, sa.func.sum(table.c.orders_recognised))
        .where(table.c.currency_code != _NO_CURRENCY, period >= periods[0])
        .group_by(table.c.currency_code, period)
    )
    found: dict[str, dict[date, Revenue]] = {}
    orders: dict[str, int] = {}
    for row in connection.execute(query):
        currency, start, net, gross, discount, count = tuple(row)
        found.setdefault(currency, {})[start] = Revenue(start, net, gross, discount)
        orders[currency] = orders.get(currency, 0) + count
    zero = Decimal(0)
    chosen, left_out = _busiest(orders)
    series = {
        currency: tuple(found[currency].get(start, Revenue(start, zero, zero, zero)) for start in periods)
        for currency in chosen
    }
    return RevenueTrend(grain, series, left_out)


def discount_mix(connection: sa.Connection) -> DiscountMix:
    """Return the discounts of recognised orders by kind, for the newest months."""
    table = discount_by_kind_monthly
    months = _newest_periods(connection, table.c.order_month, "month")
    if not months:
        return DiscountMix((), {})
    query = (
        sa.select(
            table.c.currency_code, table.c.discount_kind, table.c.order_month,
            sa.func.sum(table.c.discount_amount), sa.func.sum(table.c.orders_recognised),
        )
        .where(table.c.order_month >= months[0])
        .group_by(table.c.currency_code, table.c.discount_kind, table.c.order_month)
        .order_by(table.c.discount_kind)
    )  # fmt: skip
    found: dict[str, dict[str, dict[date, Decimal]]] = {}
    orders: dict[str, int] = {}
    for currency, kind, month, amount, count in connection.execute(query):
        found.setdefault(currency, {}).setdefault(kind, {})[month] = amount
        orders[currency] = orders.get(currency, 0) + count
    chosen, left_out = _busiest(orders)
    by_currency = {
        currency: {kind: tuple(by.get(m, Decimal(0)) for m in months) for kind, by in found[currency].items()}
        for currency in chosen
    }
    return DiscountMix(months, by_currency, left_out)


def retention(connection: sa.Connection) -> Retention:
    """Return the newest cohorts, with the months that have passed since."""
    table = customer_cohort_monthly
    newest = connection.execute(sa.select(sa.func.max(table.c.cohort_month))).scalar_one()
    if newest is None:
        return Retention({})
    query = (
        sa.select(
            table.c.source_system, table.c.currency_code, table.c.cohort_month, table.c.cohort_size,
            table.c.retention_rate,
        )
        .where(table.c.cohort_month > months_before(newest, COHORTS), table.c.month_number <= COHORTS)
        .order_by(table.c.source_system, table.c.currency_code, table.c.cohort_month, table.c.month_number)
    )  # fmt: skip
    rates: dict[str, dict[tuple[date, int], list[Decimal]]] = {}
    for source, currency, month, size, rate in connection.execute(query):
        rates.setdefault(f"{source} {currency}", {}).setdefault((month, size), []).append(rate)
    groups = {
        name: tuple(Cohort(month, size, tuple(values[1:])) for (month, size), values in by_cohort.items())
        for name, by_cohort in list(rates.items())[:PANELS]
    }
    return Retention(groups)


def lifecycle(connection: sa.Connection) -> Lifecycle:
    """Return the durations of the stores with most measured orders, over the newest year."""
    table = lifecycle_monthly
    months = _newest_periods(connection, table.c.order_month, "month")[-12:]
    if not months:
        return Lifecycle({})
    among = [table.c.order_month >= months[0], table.c.payment_family == "all", table.c.step.in_(STEPS)]
    ranked = connection.execute(
        sa.select(table.c.store_key, dim_store.c.display_name)
        .outerjoin(dim_store, dim_store.c.store_key == table.c.store_key)
        .where(*among)
        .group_by(table.c.store_key, dim_store.c.display_name)
        .having(sa.func.sum(table.c.orders_measured) > 0)
        .order_by(sa.func.sum(table.c.orders_measured).desc(), table.c.store_key)
    ).all()
    names = {key: name or key for key, name in ranked[:STORES]}
    query = sa.select(table).where(*among, table.c.store_key.in_(names))
    found = {
        (row.store_key, row.step, row.order_month): (row.p50_seconds, row.p90_seconds, row.p95_seconds)
        for row in connection.execute(query)
    }
    gap = (None, None, None)
    stores = {
        name if list(names.values()).count(name) == 1 else f"{name} ({store})": {
            step: tuple(Duration(month, *found.get((store, step, month), gap)) for month in months) for step in STEPS
        }
        for store, name in names.items()
    }
    return Lifecycle(stores, left_out=max(0, len(ranked) - STORES))


def account_health(connection: sa.Connection) -> AccountHealth:
    """Return how the accounts are; two look-ups in an index per account."""
    last = _last_crawl(crawls.c.status != "running", "last")
    success = _last_crawl(crawls.c.status == "complete", "success")
    rows = connection.execute(
        sa.select(
            accounts.c.source_system, accounts.c.partition_key, accounts.c.state, last.c.status, last.c.reason,
            success.c.finished_at,
        )
        .select_from(accounts.outerjoin(last, sa.true()).outerjoin(success, sa.true()))
        .where(accounts.c.state != "retired")
        .order_by(accounts.c.source_system, accounts.c.account_number)
    ).all()  # fmt: skip
    verdicts: dict[str, dict[str, int]] = {}
    for row in rows:
        _add(verdicts.setdefault(row.source_system, {}), row.status or "never crawled")
    states: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for row in rows:
        _add(states, row.state)
        if row.status not in {None, "complete"}:
            _add(reasons, row.reason or "unknown")
    oldest = min(((row.finished_at, row.partition_key) for row in rows if row.finished_at), default=None)
    by_count = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
    return AccountHealth(verdicts, states, by_count, None if oldest is None else (oldest[1], oldest[0]))


def _last_crawl(condition: sa.ColumnElement[bool], name: str) -> sa.FromClause:
    return (
        sa.select(crawls.c.status, crawls.c.reason, crawls.c.finished_at)
        .where(
            crawls.c.source_system == accounts.c.source_system,
            crawls.c.partition_key == accounts.c.partition_key,
            condition,
        )
        .order_by(crawls.c.crawl_id.desc())
        .limit(1)
        .lateral(name)
    )


def _add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _busiest(orders: Mapping[str, int]) -> tuple[list[str], tuple[str, ...]]:
    """Return the currencies with most orders, by name, and the others."""
    ranked = sorted(orders, key=lambda currency: (-orders[currency], currency))
    return sorted(ranked[:PANELS]), tuple(sorted(ranked[PANELS:]))


def _newest_periods(
    connection: sa.Connection, period: sa.Column[Any], grain: Literal["day", "month"]
) -> tuple[date, ...]:
    """Return the newest consecutive days or months up to the newest there is, none before the first."""
    first, newest = connection.execute(sa.select(sa.func.min(period), sa.func.max(period))).one()
    if newest is None:
        return ()
    before: Callable[[int], Any] = (
        (lambda n: newest - timedelta(days=n)) if grain == "day" else (lambda n: months_before(newest, n))
    )
    count = DAYS if grain == "day" else MONTHS
    return tuple(start for n in range(count - 1, -1, -1) if (start := before(n)) >= first)


def months_before(month: date, count: int) -> date:
    """Return the first day of the month that is `count` months before the one of a date."""
    year, index = divmod(month.year * 12 + month.month - 1 - count, 12)
    return date(max(year, 1), index + 1, 1)

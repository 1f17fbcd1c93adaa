"""Data-quality checks, each a statement that returns the keys of what violates it; the numbers are those of model.md 4.

One of its 44 checks is no statement: 21 (the same input twice changes nothing) is a test of the load and of the
summaries. Check 5 is also a guard of the load itself. A check with a limit warns up to that share of the rows and is an
error above it.

How a check is shown, and what it blocks, is decided in `defs.checks`; the limits are in the settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from order_assets.warehouse import fact_schema, schema, summary_schema  # noqa: F401 - whoever checks has every table
from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.sql import source

EXAMPLES = 20
_FROM_FACTS = r"marts\.order_facts(?: as f)?\s+where\s+(?P<condition>.*)"
_OF_ORDERS = re.compile(rf"(?:--[^\n]*\n)*select (?:f\.)?order_key\s+from {_FROM_FACTS}", re.DOTALL)
NOT_STATEMENTS = {21: "a test: the same input twice changes no row"}
Severity = Literal["error", "warn"]


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a table in `marts`. The statement's only column `order_key` names what violates it.

    `severity` error: published sums would be wrong; warn: odd, but contained. `limit`: setting with the percentage of
    the rows above which a warning is an error. `binds`: settings the statement takes. `examined`: what it looks at, if
    not the rows of `table`. `stops` false: an error that makes no sum wrong, so it holds up nothing. `file`: statement
    that several checks share, with `words` for the names in braces. `reads`: other summaries it compares with.
    """

    number: int
    name: str
    table: str
    description: str
    severity: Severity = "error"
    limit: str = ""
    binds: tuple[str, ...] = ()
    examined: str = ""
    stops: bool = True
    file: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Table and name, which no other check has."""
        return self.table, self.name

    @property
    def is_blocking(self) -> bool:
        """Whether nothing may be built on the table while the check fails."""
        return self.severity == "error" and self.stops

    def sql(self) -> str:
        """Return the statement of what violates it."""
        sql = source(f"checks/{self.file or self.name}")
        for word, value in self.words.items():
            sql = sql.replace(f"{{{word}}}", value)
        return sql

    @property
    def condition(self) -> str | None:
        """Return the condition by which an order violates it, over `order_facts as f`; None if it reads more."""
        found = _OF_ORDERS.fullmatch(self.sql().strip())
        return None if found is None or re.search(r"\b(select|union)\b", found["condition"]) else found["condition"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How many rows violate a check, of how many, and the first of their keys (never personal data)."""

    failing: int
    examples: tuple[str, ...]
    total: int = 0


Findings = Mapping[tuple[str, str], Finding]
"""What checks found, by their keys."""

_FACTS, _LINES, _DISCOUNTS, _LIFECYCLE = "order_facts", "order_line_facts", "discount_facts", "order_lifecycle"
_REPORTABLE = "marts.order_facts where is_money_reportable"
_ACCOUNTS = "ops.accounts where state <> 'retired'"
_COLUMNS = "information_schema.columns where table_schema = 'marts'"
_WITH_STATUS = "marts.order_facts where state_source = 'source'"
_GROUPED_BY = {"order_date", "order_month", "source_system", "source_account", "store_key", "currency_code"}


def _keys(table: str) -> list[str]:
    return list(schema.metadata.tables[f"marts.{table}"].primary_key.columns.keys())


def _months(number: int, name: str, monthly: str) -> Check:
    daily = monthly.replace("_monthly", "_daily")
    columns = [m.name for m in REGISTRY[monthly] if m.published and m.is_additive]
    words = {
        "daily": daily,
        "monthly": monthly,
        "keys": ", ".join(key for key in _keys(monthly) if key != "order_month"),
        "columns": ", ".join(columns),
        "sums": ", ".join(f"sum({column}) as {column}" for column in columns),
        "days": ", ".join(f"d.{column}" for column in columns),
        "months": ", ".join(f"m.{column}" for column in columns),
    }
    return Check(
        number, name, monthly, "A month is the sum of its days, difference exactly 0", file="months_tie_to_days",
        words=words, reads=(daily,),
    )  # fmt: skip


def _rates(table: str) -> Check:
    rates = [m.name for m in REGISTRY[table] if m.published and m.unit == "rate"]
    # A discount may exceed its basis, and a quantity be negative, at the source.
    lenient = [name for name in rates if name.endswith(("discount_rate", "_of_discount", "rts_unit_rate"))]
    same = _GROUPED_BY.intersection(_keys(table))
    if table.startswith("product"):
        same -= {"currency_code"}  # here it is the line's
    words = {
        "table": table,
        "keys": ", ".join(f"t.{key}" for key in _keys(table)),
        "strict": ", ".join(f"t.{name}" for name in rates if name not in lenient) or "0",
        "lenient": ", ".join(f"t.{name}" for name in lenient) or "0",
        "same": " and ".join(f"o.{key} = t.{key}" for key in sorted(same)) or "true",
    }
    return Check(
        44, f"{table.removesuffix('_rate')}_rates_in_range", table, "Every rate is between 0 and 1",
        file="rates_are_in_range", words=words,
    )  # fmt: skip


CHECKS: tuple[Check, ...] = (
    Check(1, "natural_key_unique", _FACTS, "One row per source system, account and order id"),
    Check(2, "uuid_unique", _FACTS, "The source's second id is that of one order of the account"),
    Check(3, "required_columns_present", _FACTS, "Key, store, customer, time, date, currency and class are present"),
    Check(4, "references_resolve", _FACTS,
          "Each order has its store and customer, each line, discount, event and milestone its order"),
    Check(5, "orders_match_pages", _FACTS, "No order of the pages is lost, and none is invented"),
    Check(6, "classes_are_exclusive", _FACTS, "Every order is in exactly one of the five classes"),
    Check(7, "revenue_ladder_holds", _FACTS, "Net sales + net shipping + other income + residual = payment",
          examined=_REPORTABLE),
    Check(8, "conformed_triple_holds", _FACTS, "Original - discount + residual = payment", examined=_REPORTABLE),
    Check(9, "reportable_orders_have_money", _FACTS, "Money is present exactly where it is reportable"),
    Check(10, "currency_is_valid", _FACTS, "The currency is three letters; money is never in XXX"),
    Check(11, "money_columns_are_exact", _FACTS, "Every column of money is numeric(20,4)", examined=_COLUMNS),
    Check(11, "amounts_fit_the_currency", _FACTS, "Amounts have no more places than their currency", "warn",
          examined=_REPORTABLE),
    Check(12, "discounts_tie_to_orders", _DISCOUNTS, "Discounts by kind add up to the order's discount",
          examined="marts.order_facts"),
    Check(13, "lines_tie_to_orders", _LINES, "The lines of an order add up to its net sales",
          examined="(select distinct order_key from marts.order_line_facts) as orders"),
    Check(14, "joins_keep_sums", _FACTS, "Joining store, customer and milestones changes no sum"),
    Check(15, "dates_are_local", _FACTS, "Business dates are those of the store's time zone"),
    Check(16, "zones_are_known", _FACTS, "Every time zone is one the server knows",
          examined="(select store_time_zone from marts.order_facts union select time_zone from marts.dim_store) as z"),
    Check(17, "daily_ties_to_facts", "revenue_daily",
          "Each day, store and currency equals the facts, difference exactly 0"),
    Check(18, "daily_counts_add_up", "revenue_daily", "The classes of a day add up to its orders"),
    Check(19, "no_personal_data", _FACTS, "No column and no text is a mail address, telephone number or secret link"),
    Check(20, "currencies_stay_apart", _DISCOUNTS, "No group of a summary adds amounts of different currencies"),
    Check(22, "tombstones_have_a_crawl", _FACTS, "Deleted at the source: a complete crawl of the whole says so",
          examined="marts.order_facts where is_deleted_at_source"),
    Check(23, "residual_is_zero", _FACTS, "The parts of an order explain its payment (fees are not reported)", "warn",
          examined=_REPORTABLE),
    Check(23, "residual_is_not_negative", _FACTS, "No buyer pays less than the parts of the order", "warn",
          limit="residual_negative_percent", examined=_REPORTABLE),
    Check(23, "residual_is_small", _FACTS, "What is not explained is a small share of the order", "warn",
          limit="residual_large_percent", binds=("residual_large_share_percent",), examined=_REPORTABLE),
    Check(24, "recognised_orders_are_dated", _FACTS, "Revenue has the time at which it became revenue", "warn",
          limit="recognised_without_date_percent", examined="marts.order_facts where revenue_class = 'recognised'"),
    Check(25, "timestamps_in_window", _FACTS, "Times are readable, and neither absurdly old nor in the future", "warn"),
    Check(26, "statuses_are_known", _FACTS, "Order and payment statuses are documented ones", "warn",
          limit="unknown_status_percent", examined=_WITH_STATUS),
    Check(27, "completed_orders_are_paid", _FACTS, "Completed orders are paid, or paid on delivery", "warn",
          examined="marts.order_facts where state_source = 'source' and order_state = 'completed'"),
    Check(28, "amounts_are_not_negative", _FACTS, "No amount is negative, no quantity is 0 or less", "warn"),
    Check(29, "discounts_are_within_bounds", _FACTS, "Nothing is discounted by more than it costs", "warn",
          examined=_REPORTABLE),
    Check(30, "header_agrees_with_lines", _FACTS, "Price, discount, code and quantity are those of the lines", "warn",
          limit="header_vs_lines_percent", examined="marts.order_facts where line_count > 0"),
    _months(31, "revenue_months_tie_to_days", "revenue_monthly"),
    _months(31, "discount_months_tie_to_days", "discount_by_kind_monthly"),
    _months(31, "product_months_tie_to_days", "product_monthly"),
    Check(32, "customers_tie_to_facts", "customer_summary", "What all customers bought is what was sold"),
    Check(32, "products_tie_to_facts", "product_monthly", "What all products brought is the orders' net sales"),
    Check(33, "cohorts_tie_to_customers", "customer_cohort_monthly",
          "Each buying customer is in one cohort, and all of a cohort bought in its month 0",
          reads=("customer_summary",)),
    Check(34, "statuses_are_in_sequence", _LIFECYCLE, "Statuses follow each other, no duration is negative", "warn"),
    Check(35, "movements_tie_to_facts", "revenue_movements_daily",
          "Recognised less reversed, over all dates, is what is recognised now"),
    Check(36, "accounts_are_fresh", _FACTS, "Every account was crawled completely lately", "warn",
          binds=("fresh_hours",), examined=_ACCOUNTS, words={"hours": "fresh_hours"}),
    Check(36, "accounts_are_not_stale", _FACTS, "No account is long without a complete crawl", stops=False,
          binds=("stale_hours",), examined=_ACCOUNTS, file="accounts_are_fresh", words={"hours": "stale_hours"}),
    Check(37, "volume_is_usual", _FACTS, "The last whole day has about as many orders as the 28 before it", "warn",
          binds=("volume_low_percent", "volume_high_percent", "volume_least_orders"),
          examined="(select distinct source_system, source_account from ops.accounts) as a"),
    Check(38, "pages_are_continuous", _FACTS, "The last crawl saw no order twice and no page cut short", "warn",
          examined="(select distinct source_system, partition_key from ops.crawls where pages > 0) as a"),
    Check(39, "payloads_are_not_stale", _FACTS, "The last crawl brought no order older than it is known already",
          "warn", examined="ops.accounts"),
    Check(40, "currency_is_stated", _FACTS, "The source names the currency of an order", "warn",
          limit="currency_defaulted_percent", examined=_WITH_STATUS),
    Check(41, "codes_are_coherent", _FACTS, "A discount code takes something off, and a code's discount has a code",
          "warn", examined=_WITH_STATUS),
    Check(42, "ktsp_envelopes_are_good", _FACTS, "No KTSP order comes from an answer that was an error",
          examined="ops.order_lineage where source_system = 'ktsp'"),
    Check(42, "members_are_found", _FACTS, "KTSP knows every configured member", "warn",
          examined="ops.accounts where source_system = 'ktsp'"),
    Check(43, "members_share_no_order", _FACTS, "No KTSP order is in the lists of two members", "warn",
          examined="marts.order_facts where source_system = 'ktsp'"),
    *(_rates(table) for table, metrics in REGISTRY.items() if any(m.published and m.unit == "rate" for m in metrics)),
)  # fmt: skip
"""Every check, in the order of the numbers."""


def find(connection: sa.Connection, check: Check, limits: Mapping[str, float]) -> Finding:
    """Run one check, in one statement; `limits` are the settings of `[checks]`."""
    query = f"""
        with failing as materialized (
        {check.sql()}
        )
        select
            (select count(*) from failing),
            (select count(*) from {check.examined or f"marts.{check.table}"}),
            array(select order_key from failing order by order_key collate "C" limit {EXAMPLES})
    """  # noqa: S608 - fixed text of this module, the registry and the files
    failing, total, examples = connection.execute(sa.text(query), {name: limits[name] for name in check.binds}).one()
    return Finding(failing=int(failing), examples=tuple(examples), total=int(total))


def find_together(
    connection: sa.Connection, of_orders: Sequence[Check], limits: Mapping[str, float]
) -> dict[tuple[str, str], Finding]:
    """Run checks that have a `condition` in one read of the facts; those that are violated once more, for examples.

    Raises:
        ValueError: a check has none.
    """
    counts: list[str] = []
    for check in of_orders:
        if check.condition is None:
            raise ValueError(f"{check.name} reads more than one order")
        examined = check.examined.partition(" where ")[2] or "true"
        counts += [f"count(*) filter (where {check.condition})", f"count(*) filter (where {examined})"]
    if not counts:
        return {}
    query = f"select {', '.join(counts)} from marts.order_facts as f"  # noqa: S608 - fixed text of the files
    values = {name: limits[name] for check in of_orders for name in check.binds}
    row = connection.execute(sa.text(query), values).one()
    return {
        check.key: find(connection, check, limits) if failing else Finding(0, (), int(total))
        for check, failing, total in zip(of_orders, row[::2], row[1::2], strict=True)
    }


def severity(check: Check, finding: Finding, limits: Mapping[str, float]) -> Severity:
    """Return how bad a finding is: above its limit a warning is an error."""
    if check.limit and finding.failing * 100 > finding.total * limits[check.limit]:
        return "error"
    return check.severity

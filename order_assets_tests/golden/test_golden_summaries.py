"""The summaries of the worked example, cell by cell, at its own date."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.warehouse import schema
from order_assets.warehouse.summaries import (
    MONTHLY_TABLES,
    SUMMARIES,
    WHOLE_TABLES,
    set_as_of,
    stale_tables,
    summarise,
    summarise_whole,
)
from order_assets_tests.golden.test_golden import EXPECTED, dump, load_golden, same

Row = dict[str, Any]
AS_OF = date(2025, 2, 28)
_IN_THE_EXAMPLE = [name for name in SUMMARIES if name in EXPECTED]
# The golden file lists products by SKU and those that were all returned not at all, and of two tables only some rows.
_LISTED_BY = {
    "product_monthly": ("order_month", "store_key", "currency_code", "sku"),
    "lifecycle_monthly": ("order_month", "store_key", "step"),
}
_ONLY_SOME = {"lifecycle_monthly", "customer_cohort_monthly"}


def _follow(engine: sa.Engine, run_id: str = "run-1", as_of: date = AS_OF) -> None:
    with engine.begin() as connection:
        for name in MONTHLY_TABLES:
            summarise(connection, name, date(2024, 1, 1), date(2025, 12, 1), run_id)
        for name in WHOLE_TABLES:
            summarise_whole(connection, name, as_of, run_id)
        set_as_of(connection, as_of, run_id)


@pytest.fixture
def followed(engine: sa.Engine) -> sa.Engine:
    """A database with the example and all its summaries."""
    load_golden(engine, "run-1")
    _follow(engine)
    return engine


def _rows(engine: sa.Engine, query: str) -> list[Row]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(query)).mappings()]


def _table(engine: sa.Engine, name: str) -> list[Row]:
    found = _rows(engine, f"select * from marts.{name}")  # noqa: S608 - names of our tables
    if name == "product_monthly":
        return [row for row in found if row["orders"]]
    return [row for row in found if row.get("payment_family", "all") == "all"]


def _key(row: Row, name: str) -> tuple[str, ...]:
    names = _LISTED_BY.get(name) or tuple(c.name for c in schema.metadata.tables[f"marts.{name}"].primary_key)
    return tuple(str(row[column]) for column in names)


@pytest.mark.parametrize("name", _IN_THE_EXAMPLE)
def test_every_cell(followed: sa.Engine, name: str) -> None:
    """Without it, a summary could drift from the published contract by a cent and nobody would know."""
    found = {_key(row, name): row for row in _table(followed, name)}
    expected = {_key(row, name): row for row in EXPECTED[name]}
    if name in _ONLY_SOME:
        assert set(expected) <= set(found)
    else:
        assert set(expected) == set(found)
    differences = [
        f"{'/'.join(key)} {column}: expected {cell!r}, got {found[key].get(column, 'no such column')!r}"
        for key, row in expected.items()
        for column, cell in row.items()
        if column not in found[key] or not same(cell, found[key][column])
    ]
    assert differences == []


def test_every_table_of_the_example_is_compared() -> None:
    """Without it, a summary could be left out of the comparison by a change of its name."""
    assert set(_IN_THE_EXAMPLE) == set(EXPECTED) & set(SUMMARIES)
    assert set(SUMMARIES) - set(EXPECTED) == {
        "discount_by_kind_daily", "discount_by_code_monthly", "product_daily", "status_funnel_monthly",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "select fallback_dated, reversals from marts.revenue_movements_daily group by 1, 2",
            [{"fallback_dated": 0, "reversals": 0}],
        ),
        (
            """
            select
                month_number, active_customers, orders, net_sales_amount::int as net,
                cumulative_net_sales::int as total
            from marts.customer_cohort_monthly
            where currency_code = 'HKD' and month_number in (1, 2, 6)
            order by 1
            """,
            [
                {"month_number": 1, "active_customers": 1, "orders": 1, "net": 450, "total": 1250},
                {"month_number": 2, "active_customers": 0, "orders": 0, "net": 0, "total": 1250},
                {"month_number": 6, "active_customers": 0, "orders": 0, "net": 0, "total": 1250},
            ],
        ),
        ("select max(month_number) as m from marts.customer_cohort_monthly", [{"m": 6}]),
        (
            """
            select order_state, currency_code as c, orders, payment_amount::int as paid
            from marts.status_funnel_monthly where order_month = '2025-01-01' order by 2, 1
            """,
            [
                {"order_state": "canceled", "c": "IDR", "orders": 1, "paid": 114177},
                {"order_state": "completed", "c": "IDR", "orders": 2, "paid": 300724},
                {"order_state": "returned", "c": "IDR", "orders": 1, "paid": 195000},
                {"order_state": "completed", "c": "XXX", "orders": 1, "paid": None},
            ],
        ),
        (
            """
            select units, units_rts, rts_unit_rate::int as rate from marts.product_monthly
            where units_rts > 0 or orders = 0 order by 2
            """,
            [{"units": 0, "units_rts": 1, "rate": 1}, {"units": 0, "units_rts": 4, "rate": 1}],
        ),
        (
            """
            select
                first_used_date::text as f, last_used_date::text as l, new_customer_orders as n,
                aov_net_sales::int as aov, redemption_lost_rate::int as lost
            from marts.discount_by_code_monthly order by f
            """,
            [
                {"f": "2025-01-30", "l": "2025-01-30", "n": 1, "aov": 110000, "lost": 0},
                {"f": "2025-02-01", "l": "2025-02-01", "n": 0, "aov": 75000, "lost": 0},
            ],
        ),
        (
            """
            select
                tenure_days as t, avg_days_between_orders::float as d, lifetime_discount::int as off,
                distinct_stores as s
            from marts.customer_summary where orders_recognised = 2 order by 1
            """,
            [{"t": 1, "d": 1.0, "off": 250, "s": 2}, {"t": 2, "d": 2.0, "off": 8276, "s": 1}],
        ),
    ],
    ids=["movements", "cohort_zeros", "cohort_end", "funnel", "returned_products", "codes", "customers"],
)
def test_what_the_file_leaves_out(followed: sa.Engine, query: str, expected: list[Row]) -> None:
    """Without it, columns that the example's file does not list could hold anything."""
    assert _rows(followed, query) == expected


def test_dense_days(followed: sa.Engine) -> None:
    """Without it, a chart over days would join 30 January to 1 February as if nothing lay between, or end early."""
    days = _rows(
        followed,
        """
        select
            order_date::text as day, currency_code as c, orders_total as n, net_sales_amount as net,
            aov_net_sales as aov, orders_rts as rts, net_shipping_amount as ship
        from marts.revenue_daily_dense order by store_key, c, 1
        """,
    )
    by_currency: dict[str, list[Row]] = {}
    for row in days:
        by_currency.setdefault(row["c"], []).append(row)
    assert {c: (rows[0]["day"], rows[-1]["day"], len(rows)) for c, rows in by_currency.items() if c != "HKD"} == {
        "IDR": ("2025-01-30", "2025-02-28", 30),
        "XXX": ("2025-01-30", "2025-02-28", 30),
    }
    assert len(by_currency["HKD"]) == 182 + 181, "two stores, from 31 August and 1 September"
    quiet = by_currency["IDR"][-1]
    assert (quiet["n"], quiet["net"], quiet["aov"], quiet["rts"], quiet["ship"]) == (0, 0, None, 0, 0)
    assert (by_currency["XXX"][0]["n"], by_currency["XXX"][0]["net"]) == (0, None)
    ktsp = by_currency["HKD"][-1]
    assert (ktsp["net"], ktsp["rts"], ktsp["ship"]) == (0, None, None)


def test_following_twice_rewrites_nothing(followed: sa.Engine) -> None:
    """Without it, every refresh would touch every row of the summaries."""
    before = dump(followed)
    _follow(followed, "run-2")
    assert dump(followed) == before


def test_another_date_moves_only_what_is_an_age(followed: sa.Engine) -> None:
    """Without it, a new day would rewrite cohorts and codes, or leave the ages of customers as they were."""
    before = dump(followed)
    with followed.connect() as connection:
        assert stale_tables(connection, AS_OF) == []
        assert stale_tables(connection, date(2025, 3, 1)) == list(WHOLE_TABLES)
    _follow(followed, "run-2", date(2025, 3, 1))
    after = dump(followed)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"customer_summary", "customer_cohort_monthly"}
    assert set(before["customer_cohort_monthly"]) < set(after["customer_cohort_monthly"]), "one more month, none moved"
    ages = _rows(followed, "select recency_days as age from marts.customer_summary order by 1")
    assert [row["age"] for row in ages] == [28, 30, 181, None]

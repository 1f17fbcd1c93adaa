"""The queries behind pictures and previews, on a real PostgreSQL."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.report import data
from order_assets.report.previews import ROWS, SUMMARY_COLUMNS, preview
from order_assets.warehouse import ledger_schema, schema  # noqa: F401 - the ledger brings every table
from order_assets.warehouse.schema import metadata, revenue_daily
from order_assets.warehouse.summary_schema import revenue_monthly


def insert(engine: sa.Engine, table: sa.Table, **values: Any) -> None:
    """Insert a row; counts not given are 0."""
    zeros = {c.name: 0 for c in table.columns if not c.nullable and isinstance(c.type, sa.Integer)}
    same = {"source_system": "scalev", "store_key": "scalev|a"} | ({"run_id": "r"} if "run_id" in table.c else {})
    if "computed_at" in table.c:
        same["computed_at"] = "2026-01-01T00:00Z"
    with engine.begin() as connection:
        connection.execute(table.insert().values({**zeros, **same, **values}))


def month(engine: sa.Engine, start: date, currency: str, net: str | None, orders: int = 1, **more: Any) -> None:
    """Insert a month of revenue of one store."""
    counts = dict.fromkeys(("orders_total", "orders_placed", "orders_recognised", "orders_new"), orders)
    money = {"net_sales_amount": net, "gross_sales_amount": net, "sales_discount_amount": None if net is None else "0"}
    insert(engine, revenue_monthly, order_month=start, currency_code=currency, **counts, **money, **more)


def test_a_trend_is_dense_exact_and_apart_by_currency(engine: sa.Engine) -> None:
    """Without it, gaps would vanish from the picture, cents from the sums, or currencies be added."""
    month(engine, date(2026, 1, 1), "IDR", "0.10")
    month(engine, date(2026, 1, 1), "IDR", "0.20", store_key="scalev|b")
    month(engine, date(2026, 3, 1), "USD", "5")
    month(engine, date(2026, 3, 1), "XXX", None)
    with engine.connect() as connection:
        trend = data.revenue_by_month(connection)
    assert {currency: [p.net_sales for p in points] for currency, points in trend.series.items()} == {
        "IDR": [Decimal("0.3000"), Decimal(0), Decimal(0)],
        "USD": [Decimal(0), Decimal(0), Decimal("5.0000")],
    }
    assert [p.period for p in trend.series["IDR"]] == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]


def test_a_trend_shows_the_newest_periods(engine: sa.Engine) -> None:
    """Without it, the picture of a long history would be too wide to read and too large to store."""
    month(engine, date(2020, 5, 1), "IDR", "1")
    month(engine, date(2026, 3, 1), "IDR", "2")
    day = dict.fromkeys(("orders_total", "orders_placed", "orders_recognised", "orders_new"), 1)
    for order_date in (date(2020, 5, 1), date(2026, 3, 1)):
        insert(engine, revenue_daily, order_date=order_date, currency_code="IDR", net_sales_amount=1,
               gross_sales_amount=1, sales_discount_amount=0, **day)  # fmt: skip
    with engine.connect() as connection:
        months, days = data.revenue_by_month(connection), data.revenue_by_day(connection)
    assert (len(months.series["IDR"]), months.series["IDR"][0].period) == (data.MONTHS, date(2024, 4, 1))
    assert (len(days.series["IDR"]), days.series["IDR"][-1].period) == (data.DAYS, date(2026, 3, 1))


def test_currencies_beyond_the_picture_are_named(engine: sa.Engine) -> None:
    """Without it, the busiest currency could be the one that is left out, without a word."""
    for orders, currency in enumerate(("AED", "BDT", "CHF", "DKK", "EUR"), start=1):
        month(engine, date(2026, 1, 1), currency, "1", orders)
    with engine.connect() as connection:
        trend = data.revenue_by_month(connection)
    assert (list(trend.series), trend.left_out) == (["BDT", "CHF", "DKK", "EUR"], ("AED",))


def test_an_empty_database_has_empty_data(engine: sa.Engine) -> None:
    """Without it, the first refresh of an installation would fail."""
    with engine.connect() as connection:
        assert not data.revenue_by_month(connection).series
        assert not data.revenue_by_day(connection).series
        assert not data.discount_mix(connection).by_currency
        assert not data.retention(connection).groups
        assert not data.lifecycle(connection).stores
        assert data.account_health(connection).total == 0


def test_every_mart_has_a_preview(engine: sa.Engine) -> None:
    """Without it, a new table would fail its step, or show nothing."""
    names = [table.name for table in metadata.sorted_tables if table.schema == "marts"]
    with engine.connect() as connection:
        for name in [*names, "revenue_daily_dense"]:
            assert preview(connection, name).columns, name
            assert preview(connection, name).rows == (), name


def test_a_preview_is_the_newest_rows_as_text(engine: sa.Engine) -> None:
    """Without it, a preview would show what was long ago, or amounts as floats."""
    for number in range(1, 12):
        month(engine, date(2026, number, 1), "IDR", f"{number}000.10")
    with engine.connect() as connection:
        shown = preview(connection, "revenue_monthly")
    assert len(shown.rows) == ROWS
    first = dict(zip(shown.columns, shown.rows[0], strict=True))
    assert (first["order_month"], first["net_sales_amount"]) == ("2026-11", "11,000.1")


@pytest.mark.parametrize("name", SUMMARY_COLUMNS)
def test_no_preview_is_of_one_person(name: str) -> None:
    """Without it, rows about a person would stay in Dagster's events after `forget`."""
    keys = set(metadata.tables.get(f"marts.{name}", revenue_daily).primary_key.columns.keys())
    assert not {"customer_key", "order_key"} & {*keys, *SUMMARY_COLUMNS[name]}

"""Summaries against an independent computation in plain Python, and what a recomputation touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.sandbox.world import World, WorldSpec
from order_assets.warehouse import schema
from order_assets.warehouse.metrics import DISCOUNT_BY_KIND, REVENUE, Metric
from order_assets.warehouse.summaries import MONTHLY_TABLES, SummaryCounts, stale_months, summarise
from order_assets_tests.warehouse.parts import SPEC, do, load_world, rows, spoil_currencies, summarise_all

Row = dict[str, Any]
_EXACT = Context(prec=80)
_DAILY_KEY = ("order_date", "source_system", "store_key", "currency_code")
_KIND_KEY = ("order_month", "source_system", "store_key", "currency_code", "discount_kind")
_MONEY_OF_R = (
    "gross_sales_amount", "sales_discount_amount", "net_sales_amount", "net_shipping_amount", "other_income_amount",
    "residual_amount", "original_amount", "discount_amount", "payment_amount",
)  # fmt: skip


def _summarise(engine: sa.Engine, table: str, run_id: str = "run-1") -> SummaryCounts | None:
    """Follow the facts over the whole range of stale months; None if there are none."""
    with engine.begin() as connection:
        months = stale_months(connection, table)
        return summarise(connection, table, months[0], months[-1], run_id) if months else None


# The registry


@pytest.mark.parametrize("metrics", [REVENUE, DISCOUNT_BY_KIND], ids=["revenue", "discounts"])
def test_names_of_metrics_are_unique(metrics: Sequence[Metric]) -> None:
    """Without it, one definition would silently shadow another."""
    assert len({metric.name for metric in metrics}) == len(metrics)


@pytest.mark.parametrize(
    ("table", "metrics"), [(schema.revenue_daily, REVENUE), (schema.discount_by_kind_monthly, DISCOUNT_BY_KIND)],
    ids=["revenue", "discounts"],
)  # fmt: skip
def test_every_published_metric_is_a_column(table: sa.Table, metrics: Sequence[Metric]) -> None:
    """Without it, a metric could be listed for users and be nowhere in the tables."""
    for metric in metrics:
        assert (metric.name in table.c) is metric.published, metric.name
        if metric.published:
            assert table.c[metric.name].comment == metric.description
            assert table.c[metric.name].nullable is not metric.required


@pytest.mark.parametrize("metrics", [REVENUE, DISCOUNT_BY_KIND], ids=["revenue", "discounts"])
def test_ratios_divide_metrics_of_the_same_row(metrics: Sequence[Metric]) -> None:
    """Without it, a ratio could not be taken again over several days, or average averages."""
    known = {metric.name for metric in metrics} | {"discount_of_all_kinds"}
    for metric in metrics:
        if metric.kind == "ratio":
            assert {metric.numerator, metric.denominator} <= known
            assert not metric.is_additive


# Against plain Python


@pytest.fixture(scope="module")
def world() -> World:
    """A world with orders of several currencies, and of money that cannot be read."""
    world = World(WorldSpec(seed=8, stores=2, customers_per_store=5, members=5, orders_per_account=10, days=120))
    first = world.stores[0].customers[1].account
    spoil_currencies(world, first, {0: "USD", 5: "EUR", 11: "x"})
    for position, changes in {
        2: {"gross_revenue": "much"},
        7: {"product_price": "0", "product_discount": "0"},
        8: {"product_price": "3", "product_discount": "1", "gross_revenue": "-7.33", "payment_status": "paid"},
    }.items():
        world.change_order(first, str(world.orders(first)[position]["order_id"]), changes)
    member = world.members[1].account
    world.change_order(member, world.orders(member)[3]["orderCode"], {"paymentAmount": None})
    return world


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)


def _ratio(numerator: Decimal | int | None, denominator: Decimal | int | None, places: int = 6) -> Decimal | None:
    if numerator is None or not denominator:
        return None
    return _rounded(_EXACT.divide(Decimal(numerator), Decimal(denominator)), places)


def _total(orders: list[Row], name: str) -> Decimal:
    return sum((order[name] for order in orders if order[name] is not None), Decimal(0))


def _revenue_of(orders: list[Row]) -> Row:
    """Compute one row of revenue_daily by model.md 3.1."""
    by: dict[str, list[Row]] = defaultdict(list)
    for order in orders:
        by[order["revenue_class"]].append(order)
    recognised, lost, open_ = by["recognised"], by["lost"], by["open"]
    placed = recognised + open_ + lost
    is_ktsp, is_money = orders[0]["source_system"] == "ktsp", orders[0]["currency_code"] != "XXX"
    row: Row = {
        "orders_total": len(orders),
        "orders_placed": len(placed),
        "orders_recognised": len(recognised),
        "orders_open": len(open_),
        "orders_lost": len(lost),
        "orders_draft": len(by["draft"]),
        "orders_excluded": len(by["excluded"]),
        "orders_canceled": None if is_ktsp else sum(order["lost_kind"] == "canceled" for order in lost),
        "orders_rts": None if is_ktsp else sum(order["lost_kind"] == "rts" for order in lost),
        "customers_recognised": len({order["customer_key"] for order in recognised}),
        "orders_new": sum(order["customer_order_seq"] == 1 for order in recognised),
        "orders_returning": sum(order["customer_order_seq"] > 1 for order in recognised),
        "orders_promo_discounted": sum(order["promo_discount_amount"] > 0 for order in recognised),
    }
    for name in _MONEY_OF_R:
        is_missing = is_ktsp and name in {"net_shipping_amount", "other_income_amount"}
        row[name] = _total(recognised, name) if is_money and not is_missing else None
    row["open_payment_amount"] = _total(open_, "payment_amount") if is_money else None
    row["lost_payment_amount"] = _total(lost, "payment_amount") if is_money else None
    row["aov_net_sales"] = _ratio(row["net_sales_amount"], len(recognised), 4)
    row["avg_payment_amount"] = _ratio(row["payment_amount"], len(recognised), 4)
    row["sales_discount_rate"] = _ratio(row["sales_discount_amount"], row["gross_sales_amount"])
    row["total_discount_rate"] = _ratio(row["discount_amount"], row["original_amount"])
    rates = [
        _EXACT.divide(order["sales_discount_amount"], order["gross_sales_amount"])
        for order in recognised
        if order["gross_sales_amount"]
    ]
    row["avg_order_discount_rate"] = _rounded(sum(rates, Decimal(0)) / len(rates), 6) if rates else None
    row["promo_discounted_order_rate"] = _ratio(row["orders_promo_discounted"], len(recognised))
    done = sum(order["order_state"] == "completed" and order["is_physical"] is True for order in placed)
    shipped = sum(
        order["order_state"] in {"shipped", "returned"} or order["shipped_at"] is not None for order in placed
    )
    rts = row["orders_rts"]
    row["cancel_rate"] = _ratio(row["orders_canceled"], len(placed))
    row["rts_rate"] = None if rts is None else _ratio(rts, rts + done)
    row["rts_share_of_shipped"] = None if rts is None else _ratio(rts, shipped)
    return row


def _grouped(found: list[Row], key: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], list[Row]]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in found:
        groups[tuple(row[name] for name in key)].append(row)
    yield from groups.items()


def _rows_by_key(engine: sa.Engine, table: str, key: Sequence[str]) -> dict[tuple[Any, ...], Row]:
    return {
        tuple(row[name] for name in key): {
            name: value for name, value in row.items() if name not in {*key, "computed_at", "run_id"}
        }
        for row in rows(engine, f"select * from marts.{table}")  # noqa: S608 - literals of this file
    }


def test_daily_revenue_is_what_plain_arithmetic_says(engine: sa.Engine, world: World) -> None:
    """Without it, a wrong filter or a rounding in the SQL would publish wrong revenue."""
    load_world(engine, world)
    counts = _summarise(engine, "revenue_daily")
    orders = rows(
        engine,
        "select f.*, l.shipped_at from marts.order_facts as f inner join marts.order_lifecycle as l using (order_key)",
    )
    expected = {key: _revenue_of(group) for key, group in _grouped(orders, _DAILY_KEY)}
    found = _rows_by_key(engine, "revenue_daily", _DAILY_KEY)
    assert found == expected
    assert counts == SummaryCounts(rows=len(expected), written=len(expected), removed=0)
    assert {key[3] for key in found} == {"IDR", "HKD", "XXX"}, "the awkward groups are there"


def test_discounts_by_kind_are_what_plain_arithmetic_says(engine: sa.Engine, world: World) -> None:
    """Without it, an order with two kinds could count twice, or a share be taken of the wrong whole."""
    load_world(engine, world)
    _summarise(engine, "discount_by_kind_monthly")
    parts = rows(
        engine,
        "select d.*, f.source_system, f.store_key, f.customer_key, f.revenue_class, f.net_sales_amount,"
        " date_trunc('month', f.order_date)::date as order_month"
        " from marts.discount_facts as d inner join marts.order_facts as f using (order_key)"
        " where f.revenue_class in ('recognised', 'lost')",
    )
    whole: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for part in parts:
        if part["revenue_class"] == "recognised":
            whole[tuple(part[name] for name in _KIND_KEY[:4])] += part["amount"]
    expected = {}
    for key, group in _grouped(parts, _KIND_KEY):
        recognised = [part for part in group if part["revenue_class"] == "recognised"]
        lost = [part for part in group if part["revenue_class"] == "lost"]
        amount, basis = _total(recognised, "amount"), _total(recognised, "basis_amount")
        expected[key] = {
            "orders_recognised": len(recognised),
            "discount_amount": amount,
            "basis_amount": basis,
            "discount_rate": _ratio(amount, basis),
            "avg_discount_amount": _ratio(amount, len(recognised), 4),
            "share_of_discount": _ratio(amount, whole[key[:4]]),
            "net_sales_amount": _total(recognised, "net_sales_amount"),
            "customers": len({part["customer_key"] for part in recognised}),
            "orders_lost": len(lost),
            "discount_amount_lost": _total(lost, "amount"),
        }
    assert _rows_by_key(engine, "discount_by_kind_monthly", _KIND_KEY) == expected
    assert {key[4] for key in expected} == {"product", "code", "shipping", "unique_code", "order"}


def test_what_a_source_does_not_have_is_null(engine: sa.Engine, world: World) -> None:
    """Without it, "no returns" would be read where the source knows of none."""
    load_world(engine, world)
    _summarise(engine, "revenue_daily")
    nothing = (
        "orders_canceled", "orders_rts", "net_shipping_amount", "other_income_amount", "cancel_rate", "rts_rate",
        "rts_share_of_shipped",
    )  # fmt: skip
    daily = rows(engine, "select * from marts.revenue_daily")
    for row in daily:
        if row["source_system"] == "ktsp":
            assert [name for name in nothing if row[name] is not None] == []
        if row["currency_code"] == "XXX":
            assert row["orders_excluded"] == row["orders_total"] > 0
            assert [name for name, value in row.items() if isinstance(value, Decimal) and value is not None] == []


def test_a_ratio_over_nothing_is_null(engine: sa.Engine) -> None:
    """Without it, a day with only canceled orders would fail the refresh, or show a rate of 0."""
    world = World(SPEC)
    account = world.stores[0].customers[0].account
    for order in list(world.orders(account))[1:]:
        world.delete_order(account, str(order["order_id"]))
    only = str(world.orders(account)[0]["order_id"])
    world.change_status(account, only, "canceled", datetime(2026, 11, 1, tzinfo=UTC))
    load_world(engine, world, [account])
    _summarise(engine, "revenue_daily")
    (row,) = rows(engine, "select * from marts.revenue_daily")
    assert (row["orders_recognised"], row["net_sales_amount"], row["cancel_rate"]) == (0, 0, 1)
    rates = ("aov_net_sales", "avg_payment_amount", "sales_discount_rate", "avg_order_discount_rate", "rts_rate")
    assert [row[name] for name in rates] == [None] * len(rates)


# What a recomputation touches


def test_absurd_orders_do_not_stop_a_summary(engine: sa.Engine, world: World) -> None:
    """Without it, one order given away a thousand times over would stop the summaries of every account."""
    account = next(account for account in world.accounts if len(world.orders(account)) > 1 and "ktsp" not in account)
    largest = {"product_price": "99999999999999.99", "gross_revenue": "99999999999999.99"}
    given_away = {"product_price": "1", "product_discount": "15000", "gross_revenue": "1"}
    for order, amounts in zip(world.orders(account)[:2], (largest, given_away), strict=True):
        change = {"status": "completed", "payment_status": "paid", "created_at": "2026-10-01T05:00:00Z", **amounts}
        world.change_order(account, order["order_id"], change)
    load_world(engine, world, [account])
    summarise_all(engine)
    (day,) = rows(engine, "select * from marts.revenue_daily where order_date = '2026-10-01' and currency_code = 'IDR'")
    assert day["gross_sales_amount"] > 99_999_999_999_999
    assert (day["avg_order_discount_rate"], day["sales_discount_rate"]) == (None, 0)
    assert rows(
        engine,
        "select discount_amount, discount_rate from marts.discount_by_kind_monthly"
        " where discount_kind = 'product' and order_month = '2026-10-01' and discount_amount >= 15000",
    )


def _written(engine: sa.Engine, table: str) -> dict[str, str]:
    key = ", '|', ".join(column.name for column in schema.metadata.tables[f"marts.{table}"].primary_key)
    found = rows(engine, f"select concat({key}) as key, xmin::text as x from marts.{table}")  # noqa: S608 - from our schema
    return {row["key"]: row["x"] for row in found}


def test_only_what_differs_is_written(followed: sa.Engine) -> None:
    """Without it, one order would rewrite years of summaries, and nothing could be told from when a row changed."""
    engine, world = followed, World(SPEC)
    account = world.members[1].account
    order = world.orders(account)[0]
    before = {table: _written(engine, table) for table in MONTHLY_TABLES}
    world.change_order(account, order["orderCode"], {"paymentAmount": "1.00"})
    counts = load_world(engine, world, [account], "run-2")
    (month,) = counts.months
    with engine.connect() as connection:
        assert {table: stale_months(connection, table) for table in MONTHLY_TABLES} == {
            table: [month] for table in MONTHLY_TABLES
        }
    daily = _summarise(engine, "revenue_daily", "run-2")
    assert daily is not None
    assert (daily.written, daily.removed) == (1, 0)
    after = _written(engine, "revenue_daily")
    changed = [key for key in after if after[key] != before["revenue_daily"].get(key)]
    (row,) = rows(engine, "select * from marts.revenue_daily where run_id = 'run-2'")
    assert len(changed) == 1
    assert row["order_date"].replace(day=1) == month
    kinds = _summarise(engine, "discount_by_kind_monthly", "run-2")
    assert kinds is not None
    assert (kinds.written, kinds.removed) == (0, 0), "a payment is no discount"
    assert _written(engine, "discount_by_kind_monthly") == before["discount_by_kind_monthly"]


def test_recomputing_everything_writes_nothing(followed: sa.Engine) -> None:
    """Without it, a backfill would look like a restatement of every day."""
    engine = followed
    for table in MONTHLY_TABLES:
        before = _written(engine, table)
        with engine.begin() as connection:
            counts = summarise(connection, table, date(2020, 1, 1), date(2030, 12, 1), "run-2")
        assert (counts.rows, counts.written, counts.removed) == (len(before), 0, 0)
        assert _written(engine, table) == before


def test_a_group_that_vanishes_is_removed(followed: sa.Engine) -> None:
    """Without it, an order that moved to another day would be counted on both."""
    engine, world = followed, World(SPEC)
    account = world.stores[0].customers[1].account
    order = world.orders(account)[10]
    alone = "select count(*) as n from marts.order_facts where order_date = :day and source_system = 'scalev'"
    (fact,) = rows(engine, "select * from marts.order_facts where source_order_id = :id", id=order["order_id"])
    do(engine, "delete from marts.order_facts where order_date = :day and order_key <> :key",
       day=fact["order_date"], key=fact["order_key"])  # fmt: skip
    assert rows(engine, alone, day=fact["order_date"]) == [{"n": 1}]
    world.change_order(
        account,
        str(order["order_id"]),
        {"created_at": "2023-06-15T05:00:00Z", "last_updated_at": "2026-11-01T00:00:00Z"},
    )
    counts = load_world(engine, world, [account], "run-2")
    assert {date(2023, 6, 1), fact["order_date"].replace(day=1)} <= counts.months
    daily = _summarise(engine, "revenue_daily", "run-2")
    assert daily is not None
    assert daily.removed >= 1
    left = rows(engine, "select orders_total from marts.revenue_daily where order_date = :day", day=fact["order_date"])
    facts_left = rows(engine, "select 1 from marts.order_facts where order_date = :day", day=fact["order_date"])
    assert sum(row["orders_total"] for row in left) == len(facts_left)
    moved = rows(engine, "select orders_total from marts.revenue_daily where order_date = '2023-06-15'")
    assert moved == [{"orders_total": 1}]


@pytest.mark.parametrize(
    ("touched", "summarised", "stale"),
    [
        ({}, {}, []),
        ({"2026-01-01": 1}, {}, ["2026-01-01"]),
        ({"2026-01-01": 0}, {}, ["2026-01-01"]),
        ({"2026-01-01": 1}, {"2026-01-01": 1}, []),
        ({"2026-01-01": 2}, {"2026-01-01": 1}, ["2026-01-01"]),
        ({"2026-03-01": 2, "2025-12-01": 3}, {"2026-01-01": 9}, ["2025-12-01", "2026-03-01"]),
    ],
)
def test_a_month_is_stale_until_followed(
    touched: dict[str, int], summarised: dict[str, int], stale: list[str], engine: sa.Engine
) -> None:
    """Without it, a month could keep its old sums, or be computed again for ever."""
    for month, number in touched.items():
        do(engine, "insert into ops.touched_months values (:m, :n, now(), :n)", m=month, n=number)
    for month, number in summarised.items():
        do(engine, "insert into ops.summarised_months values ('revenue_daily', :m, :n)", m=month, n=number)
    with engine.connect() as connection:
        assert stale_months(connection, "revenue_daily") == [date.fromisoformat(month) for month in stale]
        assert stale_months(connection, "discount_by_kind_monthly") == sorted(map(date.fromisoformat, touched))


def test_months_outside_the_range_stay_stale(followed: sa.Engine) -> None:
    """Without it, a backfill of one month would mark the others as followed."""
    engine = followed
    do(engine, ["truncate marts.revenue_daily", "truncate ops.summarised_months"])
    with engine.begin() as connection:
        first, *others = stale_months(connection, "revenue_daily")
        summarise(connection, "revenue_daily", first, first, "r")
        assert stale_months(connection, "revenue_daily") == others
    months = rows(engine, "select distinct date_trunc('month', order_date)::date as m from marts.revenue_daily")
    assert months == [{"m": first}]


def test_a_load_during_a_summary_leaves_the_month_stale(engine: sa.Engine) -> None:
    """Without it, orders that come in while a month is computed would never be in it."""
    world = World(SPEC)
    account = world.members[1].account
    load_world(engine, world, [account])
    with engine.begin() as connection:
        months = stale_months(connection, "revenue_daily")
        summarise(connection, "revenue_daily", months[0], months[-1], "r")
        world.change_order(account, world.orders(account)[0]["orderCode"], {"paymentAmount": "1.00"})
        (month,) = load_world(engine, world, [account]).months
    with engine.connect() as connection:
        assert stale_months(connection, "revenue_daily") == [month]


def test_two_tables_in_one_transaction(followed: sa.Engine) -> None:
    """Without it, computing both summaries, or one twice, in a transaction would fail on the temporary table."""
    with followed.begin() as connection:
        for table in (*MONTHLY_TABLES, *MONTHLY_TABLES):
            summarise(connection, table, date(2020, 1, 1), date(2030, 1, 1), "r")
            assert stale_months(connection, table) == []

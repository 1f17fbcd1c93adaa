"""All summaries after late changes, in any order of arrival, and of nothing: they equal a computation from scratch."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.domain import ktsp, scalev
from order_assets.domain.recognition import Policy
from order_assets.sandbox.world import World, WorldSpec
from order_assets.warehouse import schema
from order_assets.warehouse.load import FactsLoad, prepare
from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.summaries import (
    MONTHLY_TABLES,
    SUMMARIES,
    WHOLE_TABLES,
    set_as_of,
    stale_months,
    stale_tables,
    summarise,
    summarise_whole,
)
from order_assets_tests.warehouse.parts import load_world, page_of, rows

Contents = dict[str, dict[str, str]]
AS_OF = date(2026, 12, 15)
SPEC = WorldSpec(seed=5, stores=2, customers_per_store=3, members=2, orders_per_account=8, days=120)
_crawl_ids = count(5000)


def follow(engine: sa.Engine, run_id: str = "run-1", as_of: date = AS_OF) -> None:
    """Bring what is stale up to date, month by month, as the sensors would."""
    with engine.begin() as connection:
        for name in MONTHLY_TABLES:
            for month in stale_months(connection, name):
                summarise(connection, name, month, month, run_id, only_stale=True)
        for name in stale_tables(connection, as_of):
            summarise_whole(connection, name, as_of, run_id)
        set_as_of(connection, as_of, run_id)


def contents(engine: sa.Engine) -> Contents:
    """Every row of every summary, without who wrote it when, and the version of the row."""
    found: Contents = {}
    for name in SUMMARIES:
        query = f"""
            select (to_jsonb(t) - 'computed_at' - 'run_id')::text as body, t.xmin::text || t.ctid::text as version
            from marts.{name} as t
        """  # noqa: S608 - names of our tables
        found[name] = {row["body"]: row["version"] for row in rows(engine, query)}
    return found


def bodies(found: Contents) -> dict[str, set[str]]:
    """The rows alone."""
    return {name: set(table) for name, table in found.items()}


def from_scratch(engine: sa.Engine) -> Contents:
    """The same facts, summarised anew."""
    with engine.begin() as connection:
        for table in (*(f"marts.{name}" for name in SUMMARIES), "ops.summarised_months", "ops.summarised_tables"):
            connection.execute(sa.text(f"truncate {table}"))
    follow(engine, "scratch")
    return contents(engine)


@pytest.fixture
def world() -> World:
    """A small world."""
    return World(SPEC)


@pytest.fixture
def loaded(engine: sa.Engine, world: World) -> sa.Engine:
    """A database with the world and its summaries."""
    load_world(engine, world)
    follow(engine)
    return engine


# Late changes


def _recognised(engine: sa.Engine, condition: str = "true") -> dict[str, Any]:
    """Return a recognised order of a store, the first by date."""
    query = f"""
        select f.*, a.partition_key
        from marts.order_facts as f
        inner join ops.order_lineage as a using (order_key)
        where f.revenue_class = 'recognised' and f.source_system = 'scalev' and f.payment_state = 'paid' and {condition}
        order by f.ordered_at, f.order_key limit 1
    """  # noqa: S608 - conditions of this file
    (row,) = rows(engine, query)
    return row


_LATER = {"last_updated_at": "2026-11-20T00:00:00Z"}


@pytest.mark.parametrize(
    ("changes", "tables"),
    [
        (
            {"created_at": "2025-03-31T03:00:00Z"},
            {"revenue_daily", "revenue_monthly", "product_daily", "product_monthly", "customer_summary",
             "customer_cohort_monthly", "lifecycle_monthly", "status_funnel_monthly"},
        ),
        (
            {"status": "canceled", "canceled_time": "2026-11-19T03:00:00Z"},
            {"revenue_daily", "revenue_monthly", "revenue_movements_daily", "product_daily", "customer_summary",
             "status_funnel_monthly"},
        ),
        (
            {"status": "pending", "payment_status": "unpaid", "paid_time": None},
            {"revenue_daily", "revenue_monthly", "revenue_movements_daily", "product_monthly", "customer_summary"},
        ),
        (
            {"discount_code_code": "late5", "discount_code_discount": "5.00",
             "discount_code_applied_to": "product_price"},
            {"revenue_daily", "discount_by_kind_daily", "discount_by_kind_monthly", "discount_by_code",
             "discount_by_code_monthly", "customer_summary"},
        ),
    ],
    ids=["another_day", "canceled_after_payment", "not_paid_after_all", "another_code"],
)  # fmt: skip
def test_a_late_change_corrects_every_group_and_no_other(
    loaded: sa.Engine, world: World, changes: dict[str, Any], tables: set[str]
) -> None:
    """Without it, an order could stay in the sums of its old day, customer, cohort, product or code."""
    order = _recognised(loaded)
    before = contents(loaded)
    world.change_order(order["partition_key"], order["source_order_id"], {**changes, **_LATER})
    load_world(loaded, world, [order["partition_key"]], "run-2")
    follow(loaded, "run-2")
    after = contents(loaded)
    rewritten = {
        name: [body for body, version in table.items() if before[name].get(body, version) != version]
        for name, table in after.items()
    }
    assert {name: found for name, found in rewritten.items() if found} == {}, (
        "rows that did not differ stay as they are"
    )
    changed = {name for name in after if set(after[name]) != set(before[name])}
    assert tables <= changed
    for name in changed:
        assert len(set(after[name]) - set(before[name])) < len(after[name]), f"{name}: others stay"
    assert bodies(from_scratch(loaded)) == bodies(after)


_CANCELED = {"status": "canceled", "canceled_time": "2026-11-19T03:00:00Z", **_LATER}


def _cancel_one(engine: sa.Engine, world: World) -> dict[str, Any]:
    """Have an order canceled, loaded and not yet followed; return it as it was."""
    order = _recognised(engine)
    world.change_order(order["partition_key"], order["source_order_id"], _CANCELED)
    load_world(engine, world, [order["partition_key"]], "run-2")
    return order


def test_only_groups_of_touched_days_are_computed(loaded: sa.Engine, world: World) -> None:
    """Without it, one order of last year would cost as much as its whole month, in every summary."""
    order = _cancel_one(loaded, world)
    month = order["order_date"].replace(day=1)
    of_month = "date_trunc('month', order_date)::date = :month"
    touched = rows(loaded, f"select * from ops.touched_days where {of_month}", month=month)  # noqa: S608 - ours
    assert order["order_date"] in {row["order_date"] for row in touched}
    with loaded.begin() as connection:
        few = summarise(connection, "revenue_daily", month, month, "run-2", only_stale=True)
        again = summarise(connection, "revenue_daily", month, month, "run-2", only_stale=True)
        whole = summarise(connection, "revenue_daily", date(2025, 1, 1), date(2026, 12, 1), "run-2")
    assert (few.rows, few.written) == (len(touched), 1)
    assert again.rows == 0
    assert (whole.rows > few.rows, whole.written) == (True, 0)


@pytest.mark.parametrize(
    "unlisted", ["truncate ops.touched_days", "update ops.touched_months set whole_change_number = change_number"]
)
def test_a_month_whose_days_nobody_listed_is_computed_whole(loaded: sa.Engine, world: World, unlisted: str) -> None:
    """Without it, what a release without lists, or a replay, had touched would keep its old sums."""
    _cancel_one(loaded, world)
    with loaded.begin() as connection:
        connection.execute(sa.text(unlisted))
    follow(loaded, "run-2")
    followed = bodies(contents(loaded))
    assert followed == bodies(from_scratch(loaded))


def test_a_month_asked_for_is_repaired_whole(loaded: sa.Engine) -> None:
    """Without it, a click on a month would not bring back what somebody deleted by hand."""
    day = _recognised(loaded)["order_date"]
    spoilt = "delete from marts.revenue_daily where order_date = :day"
    query = "select orders_total from marts.revenue_daily where order_date = :day"
    before = rows(loaded, query, day=day)
    with loaded.begin() as connection:
        connection.execute(sa.text(spoilt), {"day": day})
        summarise(connection, "revenue_daily", day.replace(day=1), day.replace(day=1), "run-2")
    assert rows(loaded, query, day=day) == before


def test_a_paid_order_that_is_canceled_moves_back(loaded: sa.Engine, world: World) -> None:
    """Without it, revenue once shown would vanish from the day it was earned, not go on the day it was lost."""
    order = _recognised(loaded)
    net = "select movement_date::text as day, sum(reversed_net_sales_amount) as lost, sum(fallback_dated) as f"
    query = f"{net} from marts.revenue_movements_daily where reversals > 0 group by 1"
    before = {row["day"]: row for row in rows(loaded, query)}
    change: dict[str, Any] = {"status": "canceled", "canceled_time": None, "status_history": [], **_LATER}
    world.change_order(order["partition_key"], order["source_order_id"], change)
    load_world(loaded, world, [order["partition_key"]], "run-2")
    follow(loaded, "run-2")
    (lost,) = rows(loaded, "select * from marts.order_facts where order_key = :key", key=order["order_key"])
    day = str(lost["lost_date"] or "2026-11-20")
    found = {row["day"]: row for row in rows(loaded, query)}
    assert found[day]["lost"] - before.get(day, {"lost": 0})["lost"] == order["net_sales_amount"]
    assert found[day]["f"] == int(lost["lost_date"] is None)
    sums = """
        select sum(recognised_net_sales_amount) - sum(reversed_net_sales_amount) as moved, sum(net_sales_amount) as net
        from marts.revenue_movements_daily where source_system = 'scalev' and currency_code = 'IDR'
    """
    in_facts = """
        select sum(net_sales_amount) as net from marts.order_facts
        where revenue_class = 'recognised' and source_system = 'scalev' and currency_code = 'IDR'
    """
    (moved,), (facts,) = rows(loaded, sums), rows(loaded, in_facts)
    assert moved["moved"] == moved["net"] == facts["net"]


# Ties


@pytest.mark.parametrize(
    ("monthly", "daily"),
    [
        ("revenue_monthly", "revenue_daily"),
        ("discount_by_kind_monthly", "discount_by_kind_daily"),
        ("product_monthly", "product_daily"),
    ],
)
def test_months_are_the_sum_of_their_days(loaded: sa.Engine, monthly: str, daily: str) -> None:
    """Without it, a month and its days could tell two stories, each of them plausible."""
    adding = [metric.name for metric in REGISTRY[monthly] if metric.published and metric.is_additive]
    keys = [c.name for c in schema.metadata.tables[f"marts.{monthly}"].primary_key if c.name != "order_month"]
    sums: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [None] * len(adding))
    for day in rows(loaded, f"select * from marts.{daily}"):  # noqa: S608 - our tables
        group = sums[(day["order_date"].replace(day=1), *(day[key] for key in keys))]
        for position, name in enumerate(adding):
            if day[name] is not None:
                group[position] = (group[position] or 0) + day[name]
    found = {
        (month["order_month"], *(month[key] for key in keys)): [month[name] for name in adding]
        for month in rows(loaded, f"select * from marts.{monthly}")  # noqa: S608 - our tables
    }
    assert found
    assert len(adding) >= 4
    assert found == dict(sums)


_TIES: dict[str, tuple[str, str]] = {
    "customers": (
        """
        select source_system, currency_code, sum(lifetime_net_sales) as net from marts.customer_summary group by 1, 2
        """,
        """
        select
            source_system, currency_code,
            coalesce(sum(net_sales_amount) filter (where revenue_class = 'recognised'), 0) as net
        from marts.order_facts where revenue_class in ('recognised', 'open', 'lost') group by 1, 2
        """,
    ),
    "products": (
        "select sum(net_sales_amount) as net from marts.product_monthly where currency_code = 'IDR'",
        """
        select sum(net_sales_amount) as net from marts.order_facts
        where revenue_class = 'recognised' and source_system = 'scalev' and line_count > 0
        """,
    ),
    "cohorts": (
        """
        select source_system, currency_code, sum(cohort_size) as n, sum(active_customers) as active
        from marts.customer_cohort_monthly where month_number = 0 group by 1, 2
        """,
        """
        select source_system, currency_code, customers as n, customers as active from marts.repeat_rate
        where customers > 0
        """,
    ),
    "cohort_money": (
        """
        select source_system, currency_code, sum(net_sales_amount) as net from marts.customer_cohort_monthly
        group by 1, 2
        """,
        """
        select source_system, currency_code, sum(net_sales_amount) as net from marts.order_facts
        where revenue_class = 'recognised' group by 1, 2
        """,
    ),
    "codes": (
        "select sum(discount_amount) as off, sum(orders_lost) as lost from marts.discount_by_code",
        "select sum(discount_amount) as off, sum(orders_lost) as lost from marts.discount_by_code_monthly",
    ),
    "families": (
        """
        select order_month, store_key, step, orders_measured, orders_negative, orders_missing
        from marts.lifecycle_monthly where payment_family = 'all'
        """,
        """
        select
            order_month, store_key, step, sum(orders_measured)::int as orders_measured,
            sum(orders_negative)::int as orders_negative, sum(orders_missing)::int as orders_missing
        from marts.lifecycle_monthly where payment_family <> 'all' group by 1, 2, 3
        """,
    ),
    "funnel": (
        """
        select order_month, store_key, currency_code, sum(orders)::int as n from marts.status_funnel_monthly
        group by 1, 2, 3
        """,
        "select order_month, store_key, currency_code, orders_total as n from marts.revenue_monthly",
    ),
    "dense": (
        "select sum(orders_total) as n, sum(payment_amount) as paid from marts.revenue_daily_dense",
        "select sum(orders_total) as n, sum(payment_amount) as paid from marts.revenue_daily",
    ),
}


@pytest.mark.parametrize(("left", "right"), _TIES.values(), ids=_TIES)
def test_tables_tie_to_each_other(loaded: sa.Engine, left: str, right: str) -> None:
    """Without it, two tables of the same orders could show different totals."""

    def read(query: str) -> list[str]:
        return sorted(json.dumps(row, default=str) for row in rows(loaded, query))

    assert read(left) == read(right) != []


# Order of arrival, and nothing at all


def _arrive(engine: sa.Engine, world: World, shuffle: Callable[[list[Any]], None], *, follow_each: bool) -> None:
    """Load every order in packets of a few, in an order of its own."""
    packets = []
    for account in world.accounts:
        page = page_of(world, account)
        ((key, orders),) = json.loads(page.content).items()
        shuffle(orders)
        packets += [(page, key, orders[i : i + 3]) for i in range(0, len(orders), 3)]
    shuffle(packets)
    for page, key, orders in packets:
        crawl_id = next(_crawl_ids)
        packet = replace(page, content=json.dumps({key: orders}).encode(), crawl_id=crawl_id)
        derive = ktsp.derive if page.source_account == "ktsp" else scalev.derive
        with engine.begin() as connection:
            load = FactsLoad(connection)
            load.add(prepare(derive([packet], Policy(), "test")))
            load.merge([crawl_id], f"run-{crawl_id}")
        if follow_each:
            follow(engine, f"run-{crawl_id}")
    follow(engine, "last")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_of_arrival_gives_the_same_marts(loaded: sa.Engine, world: World, seed: int) -> None:
    """Without it, the numbers of a month could depend on which account answered first."""
    at_once = bodies(contents(loaded))
    with loaded.begin() as connection:
        connection.execute(sa.text("truncate marts.order_facts, ops.touched_months cascade"))
        connection.execute(sa.text("truncate marts.dim_store, marts.dim_customer cascade"))
        for name in SUMMARIES:
            connection.execute(sa.text(f"truncate marts.{name}"))
        connection.execute(sa.text("truncate ops.summarised_months, ops.summarised_tables"))
    _arrive(loaded, world, random.Random(seed).shuffle, follow_each=seed == 1)  # noqa: S311 - a shuffle
    assert bodies(contents(loaded)) == at_once


def test_nothing_gives_empty_tables(engine: sa.Engine) -> None:
    """Without it, the first run of a new installation could fail before its first order."""
    with engine.begin() as connection:
        assert stale_tables(connection, AS_OF) == []
        for name in MONTHLY_TABLES:
            assert stale_months(connection, name) == []
            summarise(connection, name, date(2020, 1, 1), date(2020, 12, 1), "run-1")
        for name in WHOLE_TABLES:
            summarise_whole(connection, name, AS_OF, "run-1")
        set_as_of(connection, AS_OF, "run-1")
    assert {name: len(table) for name, table in contents(engine).items()} == dict.fromkeys(SUMMARIES, 0)
    assert rows(engine, "select * from marts.revenue_daily_dense") == []

"""Each data-quality check is quiet on good data and finds exactly the one defect planted for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from order_assets.sandbox.world import World
from order_assets.warehouse import schema
from order_assets.warehouse.checks import CHECKS, EXAMPLES, Check, Finding, find
from order_assets_tests.warehouse.parts import SPEC, do, rows

BY_NAME = {check.name: check for check in CHECKS}
_ONE = (
    "(select order_key from marts.order_facts where recognition_state = 'recognised' and is_money_reportable"
    " and source_system = 'scalev' and discount_amount > 0 order by order_key limit 1)"
)
_DROP_CHECKS = """
    do $$ declare name text; begin
        for name in select conname from pg_constraint
            where conrelid in ('marts.order_facts'::regclass, 'marts.revenue_daily'::regclass) and contype in ('c', 'u')
        loop
            execute format('alter table %s drop constraint %I', (select conrelid::regclass from pg_constraint
                where conname = name and contype in ('c', 'u') limit 1), name);
        end loop;
    end $$
"""
_KEY = f"select order_key as key from {_ONE} as one"  # noqa: S608 - literals of this file
_GROUP = (
    "select order_date || ' ' || store_key || ' ' || currency_code as key from marts.revenue_daily"
    " where orders_recognised > 0 order by order_date limit 1"
)


def _daily(change: str) -> str:
    return (
        f"update marts.revenue_daily set {change} where order_date || ' ' || store_key || ' ' || currency_code = :key"  # noqa: S608 - literals of this file
    )


# Check, what names the defect, what plants it.
DEFECTS: dict[str, tuple[str, str, Sequence[str]]] = {
    "ladder off by a cent": (
        "revenue_ladder_holds", _KEY,
        ["update marts.order_facts set net_sales_amount = net_sales_amount + 0.01 where order_key = :key"],
    ),
    "triple off by the last digit": (
        "conformed_triple_holds", _KEY,
        ["update marts.order_facts set original_amount = original_amount + 0.0001 where order_key = :key"],
    ),
    "reportable without net sales": (
        "reportable_orders_have_money", _KEY,
        ["update marts.order_facts set net_sales_amount = null where order_key = :key"],
    ),
    "money in no currency": (
        "reportable_orders_have_money", _KEY,
        ["update marts.order_facts set currency_code = 'XXX' where order_key = :key"],
    ),
    "money that is withheld": (
        "reportable_orders_have_money", _KEY,
        ["update marts.order_facts set is_money_reportable = false where order_key = :key"],
    ),
    "a discount that is missing": (
        "discounts_tie_to_orders", _KEY,
        ["delete from marts.discount_facts where order_key = :key"],
    ),
    "a discount off by the last digit": (
        "discounts_tie_to_orders", _KEY,
        [("update marts.discount_facts set amount = amount + 0.0001 where order_key = :key and discount_kind ="
         " (select min(discount_kind) from marts.discount_facts where order_key = :key)")],
    ),
    "an order twice": (
        "natural_key_unique", _KEY,
        ["create temporary table twin on commit drop as select * from marts.order_facts where order_key = :key",
         "update twin set order_key = 'zzz'",
         "alter table twin drop column revenue_class",
         "insert into marts.order_facts ({columns}) select {columns} from twin"],
    ),
    "a day off by the last digit": (
        "daily_ties_to_facts", _GROUP, [_daily("net_sales_amount = net_sales_amount + 0.0001")],
    ),
    "a day with an order too many": (
        "daily_ties_to_facts", _GROUP, [_daily("orders_total = orders_total + 1")],
    ),
    "a day that is missing": (
        "daily_ties_to_facts", _GROUP,
        ["delete from marts.revenue_daily where order_date || ' ' || store_key || ' ' || currency_code = :key"],
    ),
    "a day without orders": (
        "daily_ties_to_facts", _GROUP.replace("limit 1", "limit 1 offset 1"),
        ["delete from marts.order_facts where order_date || ' ' || store_key || ' ' || currency_code = :key"],
    ),
}  # fmt: skip


@pytest.fixture
def good(followed: sa.Engine) -> sa.Engine:
    """Facts and summaries of a small world with a ledger that agrees, and constraints that let defects in."""
    world = World(SPEC)
    with followed.begin() as connection:
        for account in world.accounts:
            scope, _, name = account.partition("/")
            values = {"system": "ktsp" if scope == "ktsp" else "scalev", "key": account, "scope": scope, "name": name}
            connection.execute(
                sa.text(
                    "insert into ops.accounts (source_system, partition_key, source_account, display_name, time_zone,"
                    " currency, state, origin, added_at)"
                    " values (:system, :key, :scope, :name, 'Asia/Jakarta', 'IDR', 'active', 'file', now())"
                ),
                values,
            )
            connection.execute(
                sa.text(
                    "insert into ops.crawls (source_system, partition_key, mode, started_at, status, run_id,"
                    " orders_seen, loaded_at) values (:system, :key, 'full', now(), 'complete', 'r', :seen, now())"
                ),
                {**values, "seen": len(world.orders(account))},
            )
    do(followed, _DROP_CHECKS)
    return followed


def _find(engine: sa.Engine, check: Check) -> Finding:
    with engine.connect() as connection:
        return find(connection, check)


def test_good_data_passes_every_check(good: sa.Engine) -> None:
    """Without it, a check that always fails would be switched off, and the others with it."""
    assert {check.name: _find(good, check) for check in CHECKS} == {check.name: Finding(0, ()) for check in CHECKS}


def test_an_empty_database_passes_every_check(engine: sa.Engine) -> None:
    """Without it, the first run of a fresh installation would be red."""
    assert {_find(engine, check) for check in CHECKS} == {Finding(0, ())}


@pytest.mark.parametrize(("name", "names_it", "defect"), DEFECTS.values(), ids=DEFECTS)
def test_a_check_finds_its_defect(name: str, names_it: str, defect: Sequence[str], good: sa.Engine) -> None:
    """Without it, a check could be green whatever the data."""
    (row,) = rows(good, names_it)
    columns = ", ".join(column.name for column in schema.order_facts.c if column.computed is None)
    do(good, [statement.format(columns=columns) for statement in defect], key=row["key"])
    finding = _find(good, BY_NAME[name])
    expected = min(row["key"], "zzz") if name == "natural_key_unique" else row["key"]
    assert finding == Finding(1, (expected,))


def test_every_check_has_a_defect() -> None:
    """Without it, a new check could be added that has never found anything."""
    assert {name for name, _, _ in DEFECTS.values()} == BY_NAME.keys()


def test_a_stale_day_is_not_wrong(good: sa.Engine) -> None:
    """Without it, every load would turn the check red until the summary follows."""
    (row,) = rows(good, _GROUP)
    do(good, _daily("orders_total = orders_total + 1"), key=row["key"])
    do(good, "update ops.touched_months set change_number = change_number + 1")
    assert _find(good, BY_NAME["daily_ties_to_facts"]) == Finding(0, ())


def test_only_a_few_examples_are_named(good: sa.Engine) -> None:
    """Without it, one bug would write every key of the table into an event."""
    do(good, "update marts.order_facts set original_amount = original_amount + 1 where is_money_reportable")
    finding = _find(good, BY_NAME["conformed_triple_holds"])
    assert finding.failing > EXAMPLES == len(finding.examples)
    assert list(finding.examples) == sorted(finding.examples)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_names_a_table_and_says_what_it_means(check: Check) -> None:
    """Without it, a red check in the UI would explain nothing, or hang on no asset."""
    assert f"marts.{check.table}" in schema.metadata.tables
    assert check.description
    assert [other.name for other in CHECKS].count(check.name) == 1

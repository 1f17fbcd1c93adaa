"""Each data-quality check is quiet on good data and finds exactly the one defect planted for it.

The defects are planted in one database, each in a transaction that is rolled back; constraints that would not let a
defect in are gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa

from order_assets.accounts_file import ChecksSection
from order_assets.sandbox.world import World
from order_assets.warehouse import schema
from order_assets.warehouse.checks import (
    CHECKS,
    EXAMPLES,
    NOT_STATEMENTS,
    Check,
    Finding,
    find,
    find_together,
    severity,
)
from order_assets.warehouse.engine import connect
from order_assets.warehouse.summaries import WHOLE_TABLES, summarise_whole
from order_assets_tests.warehouse.conftest import _database
from order_assets_tests.warehouse.defects import DEFECTS, DROP_CONSTRAINTS, EXPECTED_IN_THE_WORLD, Defect
from order_assets_tests.warehouse.parts import SPEC, do, load_world, rows, summarise_all

LIMITS = ChecksSection().model_dump()
BY_NAME = {check.name: check for check in CHECKS}
_LEDGER = (
    """
    insert into ops.crawls (crawl_id, source_system, partition_key, mode, started_at, finished_at, status, pages,
        orders_seen, run_id, loaded_at) overriding system value
    select crawl_id, source_system, partition_key, 'full', now(), now(), 'complete', 1, count(*), 'r', now()
    from ops.order_lineage group by 1, 2, 3
    """,
    """
    insert into raw.order_pages (crawl_id, page_number, pass_number, fetched_at, http_status, content_encoding, body,
        body_sha256, items)
    select crawl_id, 1, 1, now(), 200, 'identity', '', repeat('0', 64), orders_seen from ops.crawls
    """,
    """
    insert into ops.page_keys (source_system, partition_key, wrapped_key)
    select source_system, partition_key, '' from ops.accounts
    """,
)


def _fill_ledger(engine: sa.Engine, world: World) -> None:
    """Write accounts, crawls and pages that agree with the facts."""
    for account in world.accounts:
        scope, _, name = account.partition("/")
        do(
            engine,
            "insert into ops.accounts (source_system, partition_key, source_account, display_name, time_zone, currency,"
            " state, origin, added_at) values (:system, :key, :scope, :name, 'Asia/Jakarta', 'IDR', 'active', 'file',"
            " now())",
            system="ktsp" if scope == "ktsp" else "scalev", key=account, scope=scope, name=name,
        )  # fmt: skip
    do(engine, _LEDGER)


@pytest.fixture(scope="module")
def good(template: str) -> Iterator[sa.Engine]:
    """Facts and summaries of a small world with a ledger that agrees, and constraints that let defects in."""
    with _database(template, template=sa.make_url(template).database) as url:
        engine = connect(url)
        world = World(SPEC)
        load_world(engine, world)
        summarise_all(engine)
        with engine.begin() as connection:
            for name in WHOLE_TABLES:
                summarise_whole(connection, name, date(2026, 12, 15), "run-1")
        _fill_ledger(engine, world)
        do(engine, DROP_CONSTRAINTS)
        yield engine
        engine.dispose()


def _find(engine: sa.Engine, check: Check) -> Finding:
    with engine.connect() as connection:
        return find(connection, check, LIMITS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_good_data_passes(check: Check, good: sa.Engine) -> None:
    """Without it, a check that always fails would be switched off, and the others with it."""
    finding = _find(good, check)
    assert finding.failing == EXPECTED_IN_THE_WORLD.get(check.name, 0), finding.examples
    assert check.severity == "warn" or finding.failing == 0
    assert finding.failing <= finding.total


def test_an_empty_database_passes_every_check(engine: sa.Engine) -> None:
    """Without it, the first run of a fresh installation would be red."""
    assert {check.name for check in CHECKS if _find(engine, check).failing} == set()


def _plant(connection: sa.Connection, defect: Defect) -> str:
    """Plant the defect; return the key of the row that has it."""
    columns = ", ".join(column.name for column in schema.order_facts.c if column.computed is None)
    key: str = connection.execute(sa.text(defect.names_it)).scalar_one()
    for statement in defect.plants:
        connection.execute(sa.text(statement.replace("{columns}", columns)), {"key": key})
    return key


@pytest.mark.parametrize("name", DEFECTS)
def test_a_check_finds_its_defect(name: str, good: sa.Engine) -> None:
    """Without it, a check could be green whatever the data."""
    defect = DEFECTS[name]
    check = BY_NAME[defect.check]
    with good.connect() as connection:
        before = find(connection, check, LIMITS)
        key = _plant(connection, defect)
        after = find(connection, check, LIMITS)
        connection.rollback()
    assert after.failing == before.failing + 1
    if len(after.examples) == after.failing:
        assert set(after.examples) - set(before.examples) == {defect.found_as or key}


@pytest.mark.parametrize("name", [name for name, defect in DEFECTS.items() if BY_NAME[defect.check].condition])
def test_checks_of_one_read_find_what_each_finds(name: str, good: sa.Engine) -> None:
    """Without it, the read they share could miss what the statement in the file finds, or call good orders bad."""
    of_orders = [check for check in CHECKS if check.condition]
    with good.connect() as connection:
        _plant(connection, DEFECTS[name])
        together = find_together(connection, of_orders, LIMITS)
        apart = {check.key: find(connection, check, LIMITS) for check in of_orders}
        connection.rollback()
    assert together == apart
    assert together[BY_NAME[DEFECTS[name].check].key].failing


def test_checks_that_read_more_share_no_read() -> None:
    """Without it, a check with a join or a union could be cut to its last condition."""
    shared = {check.name for check in CHECKS if check.condition}
    assert {"revenue_ladder_holds", "residual_is_small", "statuses_are_known"} <= shared
    assert shared.isdisjoint({"references_resolve", "amounts_are_not_negative", "tombstones_have_a_crawl"})


def test_every_check_has_a_defect() -> None:
    """Without it, a new check could be added that has never found anything."""
    assert {defect.check for defect in DEFECTS.values()} == BY_NAME.keys()


def test_every_number_is_accounted_for() -> None:
    """Without it, a check of the model could be forgotten, and nobody would miss it."""
    numbers = [check.number for check in CHECKS]
    assert set(numbers) | NOT_STATEMENTS.keys() == set(range(1, 45))
    assert not set(numbers) & NOT_STATEMENTS.keys()
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    "name",
    [
        "daily_ties_to_facts",
        "products_tie_to_facts",
        "revenue_months_tie_to_days",
        "discount_months_tie_to_days",
        "product_months_tie_to_days",
    ],
)
def test_months_are_looked_up(name: str, good: sa.Engine) -> None:
    """Without it, these checks could compare each order with each month: two minutes at 200,000 orders of 20 years."""
    with good.connect() as connection:
        plan = "\n".join(connection.execute(sa.text(f"explain {BY_NAME[name].sql()}")).scalars())
    assert "hashed SubPlan" in plan, plan


@pytest.mark.parametrize(
    ("name", "table", "change"),
    [
        ("daily_ties_to_facts", "revenue_daily", "orders_total = orders_total + 1"),
        ("revenue_months_tie_to_days", "revenue_monthly", "orders_total = orders_total + 1"),
        ("products_tie_to_facts", "product_monthly", "net_sales_amount = net_sales_amount + 1"),
        ("movements_tie_to_facts", "revenue_movements_daily", "recognitions = recognitions + 1"),
        ("customers_tie_to_facts", "customer_summary", "lifetime_net_sales = lifetime_net_sales + 1"),
        ("cohorts_tie_to_customers", "customer_cohort_monthly", "cohort_size = cohort_size + 1"),
    ],
)
def test_a_stale_summary_is_not_wrong(name: str, table: str, change: str, good: sa.Engine) -> None:
    """Without it, every load would turn the check red until the summary follows."""
    with good.connect() as connection:
        connection.execute(sa.text(f"update marts.{table} set {change}"))  # noqa: S608 - literals of this file
        wrong = find(connection, BY_NAME[name], LIMITS)
        connection.execute(sa.text("update ops.touched_months set change_number = change_number + 1"))
        stale = find(connection, BY_NAME[name], LIMITS)
        connection.rollback()
    assert wrong.failing > 0
    assert stale.failing == 0


def test_only_a_few_examples_are_named(good: sa.Engine) -> None:
    """Without it, one bug would write every key of the table into an event."""
    with good.connect() as connection:
        connection.execute(sa.text("update marts.order_facts set original_amount = original_amount + 1"))
        finding = find(connection, BY_NAME["conformed_triple_holds"], LIMITS)
        connection.rollback()
    assert finding.total >= finding.failing > EXAMPLES == len(finding.examples)
    assert list(finding.examples) == sorted(finding.examples)


@pytest.mark.parametrize(("failing", "expected"), [(1, "warn"), (5, "warn"), (6, "error")])
def test_a_warning_is_an_error_above_its_limit(failing: int, expected: str) -> None:
    """Without it, orders that lost their date one by one would never turn the check red."""
    check = BY_NAME["recognised_orders_are_dated"]
    assert severity(check, Finding(failing, (), 100), LIMITS) == expected
    assert not check.is_blocking


def test_a_limit_can_be_set() -> None:
    """Without it, a merchant with an odd but known source would live with a red check."""
    check = BY_NAME["currency_is_stated"]
    assert severity(check, Finding(90, (), 100), {**LIMITS, "currency_defaulted_percent": 100.0}) == "warn"
    assert severity(check, Finding(1, (), 100), {**LIMITS, "currency_defaulted_percent": 0.0}) == "error"


def test_settings_name_the_limits_and_no_more() -> None:
    """Without it, a check would fail for want of a limit, or a limit would limit nothing."""
    used = {name for check in CHECKS for name in (*check.binds, check.limit) if name}
    assert used == LIMITS.keys()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_names_a_table_and_says_what_it_means(check: Check) -> None:
    """Without it, a red check in the UI would explain nothing, or hang on no asset."""
    assert f"marts.{check.table}" in schema.metadata.tables
    assert all(f"marts.{name}" in schema.metadata.tables for name in check.reads)
    assert check.description
    assert [other.name for other in CHECKS].count(check.name) == 1


def test_an_example_is_never_the_text_itself(good: sa.Engine) -> None:
    """Without it, the check for personal data would publish what it found."""
    with good.connect() as connection:
        connection.execute(sa.text("update marts.order_facts set other_income_name = 'to budi@example.com'"))
        finding = find(connection, BY_NAME["no_personal_data"], LIMITS)
        connection.rollback()
    assert finding.failing == len(rows(good, "select order_key from marts.order_facts"))
    assert not any("@" in example for example in finding.examples)


def test_orders_of_the_forgotten_are_not_missed(good: sa.Engine) -> None:
    """Without it, forgetting a person would turn the check red for the others of the programme, for ever."""
    with good.connect() as connection:
        run = connection.execute
        key = run(sa.text("select min(partition_key) from ops.accounts where source_system = 'ktsp'")).scalar_one()
        run(sa.text("update ops.crawls set orders_seen = 5000 where partition_key > :key"), {"key": key})
        missed = find(connection, BY_NAME["orders_match_pages"], LIMITS)
        run(sa.text("update ops.accounts set state = 'retired' where partition_key = :key"), {"key": key})
        run(sa.text("delete from ops.page_keys where partition_key = :key"), {"key": key})
        forgotten = find(connection, BY_NAME["orders_match_pages"], LIMITS)
        connection.rollback()
    assert any(example.startswith("ktsp ") for example in missed.examples)
    assert not any(example.startswith("ktsp ") for example in forgotten.examples)

"""Rounds of crawls over a source that changes: heads are enough, whole histories find the rest, deletions are seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.crawl.account_crawl import Plan
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets_tests.crawl.parts import AUTO, FULL, Installation

HEAD = Plan(mode="head", busy_seconds=0)
SPEC = WorldSpec(seed=23, stores=2, customers_per_store=10, members=10, orders_per_account=30)
OPEN = {"draft", "pending", "confirmed", "in_process", "ready", "shipped"}
LATE_DAYS = 14


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Serve a world of this test's own, since it changes."""
    with serve(SPEC) as running:
        yield running


@pytest.fixture
def installation(engine: sa.Engine, sandbox: RunningSandbox) -> Installation:
    """Configure everyone, with small pages so that heads and whole histories differ."""
    return Installation.of(engine, sandbox, page_size=5, ktsp_page_size=5)


def _code(order: Mapping[str, Any]) -> str:
    return str(order.get("order_id") or order["orderCode"])


def _truth(sandbox: RunningSandbox) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return what the source says of each order, in the columns the facts have."""
    return {
        (account, _code(order)): (
            (order["status"], order["payment_status"], str(order["gross_revenue"]))
            if "order_id" in order
            else (None, None, str(order["paymentAmount"]))
        )
        for account in sandbox.world.accounts
        for order in sandbox.world.orders(account)
    }


def _facts(installation: Installation, *, deleted: bool = False) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = installation.rows(
        "select l.partition_key, f.* from marts.order_facts as f inner join ops.order_lineage as l using (order_key)"
        " where f.is_deleted_at_source = :deleted",
        deleted=deleted,
    )
    return {
        (row["partition_key"], row["source_order_id"]): (
            row["source_status"], row["source_payment_status"],
            None if row["payment_amount"] is None else f"{row['payment_amount']:.2f}",
        )
        for row in rows
    }  # fmt: skip


def _same(truth: dict[tuple[str, str], tuple[Any, ...]], facts: dict[tuple[str, str], tuple[Any, ...]]) -> bool:
    """Whether both know the same orders with the same states, and the same money where it is reportable."""
    if truth.keys() != facts.keys():
        return False
    for key, (status, payment, amount) in truth.items():
        known = facts[key]
        if (status, payment) != known[:2] or (known[2] is not None and Decimal(amount) != Decimal(known[2])):
            return False
    return True


def _round(installation: Installation, plan: Plan, number: int) -> dict[str, Any]:
    results = installation.crawl(plan=plan, run_id=f"round-{number}")
    assert {result.verdict.reason for result in results.values()} == {"ok"}
    installation.load(run_id=f"round-{number}")
    return results


def test_every_round_of_whole_crawls_equals_the_source(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a correction, an arrival or a deletion of the source could be missing from the facts for ever."""
    for number in range(6):
        _round(installation, FULL, number)
        assert _same(_truth(sandbox), _facts(installation)), f"round {number}"
        changes = sandbox.evolve(2)
        assert changes.added
    assert _facts(installation, deleted=True), "orders were deleted on the way"


def test_rounds_of_heads_see_all_that_is_new_and_open(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, an hourly refresh would miss orders, or see them only in the weekly crawl."""
    _round(installation, FULL, 0)
    for number in range(1, 5):
        sandbox.evolve(2)
        results = _round(installation, AUTO, number)
        facts, truth = _facts(installation), _truth(sandbox)
        gone = facts.keys() - truth.keys()
        assert truth.keys() - facts.keys() == set(), f"round {number}: nothing that arrived is missing"
        for key, (status, payment, _) in truth.items():
            if status in OPEN and key not in gone:
                assert facts[key][:2] == (status, payment), f"round {number}: an open order is out of date"
        assert {result.mode for result in results.values()} == {"head", "full"}
    _round(installation, FULL, 9)
    assert _same(_truth(sandbox), _facts(installation)), "what heads could not see, the whole crawl found"


def _needed(sandbox: RunningSandbox, account: str, size: int) -> int:
    """Return how many pages the open orders of an account need."""
    deepest = 0
    for place, order in enumerate(sandbox.world.orders(account), start=1):
        if order.get("status") in OPEN or (
            order.get("status") == "completed"
            and order["payment_status"] not in {"paid", "settled"}
            and order["payment_method"] not in {"cod", "no_payment", "marketplace"}
        ):
            deepest = place
    return -(-deepest // size)


@pytest.mark.parametrize("plan", [AUTO, HEAD], ids=["auto", "head"])
def test_an_unchanged_refresh_costs_what_the_open_orders_need(
    installation: Installation, sandbox: RunningSandbox, plan: Plan
) -> None:
    """Without it, each hour would fetch the whole history of thousands of accounts again."""
    _round(installation, FULL, 0)
    before = installation.rows("select * from marts.order_facts order by order_key")
    sandbox.reset_requests()
    results = _round(installation, plan, 1)
    asked = sandbox.requests()
    for account, result in results.items():
        assert asked[account] <= _needed(sandbox, account, 5) + 1, account
        long = len(sandbox.world.orders(account)) > 5 * (_needed(sandbox, account, 5) + 1)
        assert (result.requests_saved > 0) == long or not long, "the ledger says what was saved"
    assert sum(result.requests_saved for result in results.values()) > sum(asked.values())
    assert installation.rows("select * from marts.order_facts order by order_key") == before
    saved = installation.rows("select partition_key, requests_saved, mode from ops.crawls where run_id = 'round-1'")
    assert {row["partition_key"]: row["requests_saved"] for row in saved} == {
        account: result.requests_saved for account, result in results.items()
    }


def test_a_longer_history_costs_no_more_to_refresh(engine: sa.Engine) -> None:
    """Without it, an account would become dearer with every year."""
    costs = []
    for orders in (30, 300):
        spec = WorldSpec(seed=23, stores=1, customers_per_store=3, members=0, orders_per_account=orders, days=3650)
        with engine.begin() as connection:
            connection.execute(sa.text("truncate ops.accounts, marts.order_facts cascade"))
        with serve(spec) as sandbox:
            installation = Installation.of(engine, sandbox, page_size=5)
            accounts = sandbox.world.accounts
            for account in accounts:
                for order in sandbox.world.orders(account):  # nothing is open any more
                    sandbox.world.change_order(account, _code(order), {"status": "canceled"})
            _round(installation, FULL, 0)
            sandbox.reset_requests()
            _round(installation, AUTO, 1)
            costs.append(sum(sandbox.requests().values()))
    assert costs[0] == costs[1] == 3


def test_a_ktsp_order_that_arrives_ten_days_late_is_seen(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, purchases that the till reports late would wait for the weekly crawl."""
    from datetime import UTC, datetime, timedelta

    account = sandbox.world.members[1].account
    for hours in range(12):  # recent orders, by our clock, so that they are kept in view
        sandbox.world.add_order(account, datetime.now(UTC) - timedelta(days=1, hours=20 * hours))
    _round(installation, FULL, 0)
    late = sandbox.world.add_order(account, datetime.now(UTC) - timedelta(days=9))
    results = _round(installation, AUTO, 1)
    assert results[account].mode == "head"
    assert (account, _code(late)) in _facts(installation)


@pytest.mark.parametrize("fault", ["unsorted", "oldest_first"])
def test_a_history_that_is_not_newest_first_is_always_crawled_whole(
    installation: Installation, sandbox: RunningSandbox, fault: str
) -> None:
    """Without it, new orders at any other place than the head would be missed silently."""
    accounts = [sandbox.world.stores[0].customers[1].account, sandbox.world.members[1].account]
    for account in accounts:
        sandbox.set_fault(account, fault)
    for number, plan in enumerate((FULL, HEAD, AUTO)):
        for account in accounts:
            sandbox.world.add_order(account)
        results = _round(installation, plan, number)
        for account in accounts:
            assert (results[account].mode, results[account].is_newest_first) == ("full", False)
        assert _same(_truth(sandbox), _facts(installation))


def test_an_order_that_vanishes_from_the_head_makes_the_crawl_whole(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, an hourly refresh would go on for a week with an order that is gone from sight."""
    account = sandbox.world.stores[0].customers[1].account
    _round(installation, FULL, 0)
    gone = _code(sandbox.world.orders(account)[1])
    sandbox.world.delete_order(account, gone)
    result = _round(installation, AUTO, 1)[account]
    assert (result.mode, len(result.vanished)) == ("full", 1)
    assert (account, gone) in _facts(installation, deleted=True)


def test_a_full_crawl_is_due_again_after_a_while(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, whoever has no weekly schedule would never see a late edit of a final order."""
    account = sandbox.world.stores[0].customers[1].account
    _round(installation, FULL, 0)
    assert _round(installation, AUTO, 1)[account].mode == "head"
    installation.do("update ops.crawls set finished_at = finished_at - interval '8 days'")
    assert _round(installation, AUTO, 2)[account].mode == "full"


# Deletions


def _delete_and_crawl(
    installation: Installation, sandbox: RunningSandbox, plan: Plan = FULL
) -> tuple[str, list[Mapping[str, Any]]]:
    """Delete the second order of an account at the source, crawl and load; return the account and its orders."""
    account = sandbox.world.stores[0].customers[1].account
    _round(installation, FULL, 0)
    sandbox.world.delete_order(account, _code(sandbox.world.orders(account)[1]))
    installation.crawl([account], plan=plan, run_id="second")
    installation.load(run_id="second")
    return account, installation.rows(
        "select f.*, l.is_listed from marts.order_facts as f inner join ops.order_lineage as l using (order_key)"
        " where l.partition_key = :account and f.is_deleted_at_source",
        account=account,
    )


def test_a_deleted_order_is_marked_and_left_out_of_revenue(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, revenue would keep counting what the merchant deleted, or lose the order without a trace."""
    _, (order,) = _delete_and_crawl(installation, sandbox)
    assert (order["revenue_class"], order["run_id"], order["is_listed"]) == ("excluded", "second", False)
    assert order["excluded_reason"] in {"deleted", "mixed_currency", "bad_currency", "bad_amount"}
    assert order["customer_order_seq"] is None
    why = installation.rows(
        "select c.mode, c.status, c.orders_vanished from ops.vanished_orders join ops.crawls as c using (crawl_id)"
    )
    assert [dict(row) for row in why] == [{"mode": "full", "status": "complete", "orders_vanished": 1}]
    touched = installation.rows(
        "select * from ops.touched_months where order_month = date_trunc('month', :day)::date", day=order["order_date"]
    )
    assert touched, "its month is recomputed"


def test_an_order_that_comes_back_is_listed_again(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, one bad answer of the source would take an order out of revenue for ever."""
    account = sandbox.world.stores[0].customers[1].account
    before = sandbox.world.orders(account)
    _, (order,) = _delete_and_crawl(installation, sandbox)
    sandbox.world._replace(account, before)
    _round(installation, FULL, 3)
    (again,) = installation.rows("select * from marts.order_facts where order_key = :key", key=order["order_key"])
    assert (again["is_deleted_at_source"], again["excluded_reason"] == "deleted") == (False, False)
    assert _same(_truth(sandbox), _facts(installation))


@pytest.mark.parametrize("fault", ["server_error:from_page=2", "cursor_missing:from_page=2", "bad_json:from_page=2"])
def test_an_incomplete_crawl_deletes_nothing(installation: Installation, sandbox: RunningSandbox, fault: str) -> None:
    """Without it, a server in trouble would look like a merchant who deleted the past."""
    sandbox.set_fault(sandbox.world.stores[0].customers[1].account, fault)
    _round_with_trouble = installation.crawl(run_id="first")
    assert _round_with_trouble
    sandbox.clear_faults()
    _round(installation, FULL, 1)
    sandbox.set_fault(sandbox.world.stores[0].customers[1].account, fault)
    installation.crawl(run_id="second")
    installation.load()
    assert _facts(installation, deleted=True) == {}
    assert installation.rows("select * from ops.vanished_orders") == []


@pytest.mark.parametrize("fault", ["history_shrinks", "history_shrinks:keep=5", "more_lies", "more_lies:pages=3"])
@pytest.mark.parametrize("kind", ["scalev", "ktsp"])
def test_a_history_that_suddenly_shrinks_is_distrusted(
    installation: Installation, sandbox: RunningSandbox, fault: str, kind: str
) -> None:
    """Without it, an API that cuts its answer short would delete the rest of the history."""
    world = sandbox.world
    account = world.stores[0].customers[1].account if kind == "scalev" else world.members[1].account
    _round(installation, FULL, 0)
    sandbox.set_fault(account, fault)
    result = installation.crawl([account], run_id="shrunk")[account]
    installation.load()
    if kind == "ktsp" and fault.startswith("more_lies"):
        assert (result.verdict.reason, result.orders_seen) == ("ok", len(world.orders(account))), "asked one page more"
    else:
        assert (result.verdict.status, result.verdict.reason) == ("incomplete", "history_shrank")
    assert _facts(installation, deleted=True) == {}
    if not result.verdict.is_complete:
        hourly = installation.crawl([account], plan=AUTO, run_id="hourly")[account]
        assert hourly.verdict.reason == "history_shrank", "a look at the head alone does not clear it"
    believed = installation.crawl([account], plan=Plan(mode="full", allow_shrink=True), run_id="believed")
    installation.load()
    assert believed[account].verdict.is_complete
    assert _facts(installation).keys() & {(account, _code(order)) for order in world.orders(account)} == {
        key for key in _facts(installation) if key[0] == account
    }


def test_an_order_that_goes_while_numbered_pages_are_read_counts_as_deleted(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, an order that a first pass saw would stay in the facts although it is gone."""
    account = sandbox.world.members[1].account
    first = _code(sandbox.world.orders(account)[0])
    sandbox.set_fault(account, "order_vanishes")
    result = installation.crawl([account])[account]
    installation.load()
    assert (result.verdict.is_complete, len(result.vanished)) == (True, 1)
    assert {key for key in _facts(installation) if key[0] == account} == {
        (account, _code(order)) for order in sandbox.world.orders(account)
    }
    assert set(_facts(installation, deleted=True)) == {(account, first)}


@pytest.mark.parametrize("fault", ["order_arrives", "order_arrives:by=7", "order_vanishes:index=3"])
@pytest.mark.parametrize("kind", ["scalev", "ktsp"])
def test_orders_that_move_during_a_walk_are_neither_lost_nor_doubled(
    installation: Installation, sandbox: RunningSandbox, fault: str, kind: str
) -> None:
    """Without it, pages that shift under the walk would lose or double orders, as they do for others."""
    world = sandbox.world
    account = world.stores[0].customers[1].account if kind == "scalev" else world.members[1].account
    stayed = {_code(order) for order in world.orders(account)}
    sandbox.set_fault(account, fault)
    result = installation.crawl([account])[account]
    installation.load()
    assert result.verdict.is_complete
    now = {_code(order) for order in world.orders(account)}
    have = {code for key, code in _facts(installation) if key == account}
    assert stayed & now <= have
    if kind == "ktsp":
        assert have == now
    _round(installation, AUTO, 1)
    _round(installation, FULL, 2)
    assert _same(_truth(sandbox), _facts(installation))


def test_what_a_clock_ahead_has_seen_does_not_outrank_the_truth(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, after a run with a wrong clock, later changes of KTSP orders would be dropped as stale, for good."""
    account = sandbox.world.members[1].account
    _round(installation, FULL, 0)
    installation.do("update raw.order_pages set fetched_at = fetched_at + interval '3 days'")
    installation.do("update marts.order_facts set last_seen_at = last_seen_at + interval '3 days'")
    sandbox.world.change_order(account, _code(sandbox.world.orders(account)[0]), {"paymentAmount": "1.00"})
    _round(installation, FULL, 1)
    assert _same(_truth(sandbox), _facts(installation))

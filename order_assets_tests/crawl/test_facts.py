"""From raw pages to facts: equal to the world's truth, idempotent, and exact about what a change touches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from order_assets.crawl import facts
from order_assets.sandbox.testing import RunningSandbox
from order_assets.warehouse import load
from order_assets.warehouse.load import LoadCounts
from order_assets_tests.crawl.parts import Installation

# What may differ between two ways to the same facts: when and by which crawl they came.
_VOLATILE = "first_seen_at, last_seen_at, last_changed_at, run_id"
_TABLES = ("order_facts", "order_lifecycle", "discount_facts", "dim_store", "dim_customer")


def _contents(installation: Installation) -> dict[str, list[dict[str, Any]]]:
    """Return the facts and dimensions without lineage and times of loading."""
    leave_out = set(_VOLATILE.split(", "))
    return {
        table: sorted(
            ({key: value for key, value in row.items() if key not in leave_out} for row in rows), key=repr
        )
        for table in _TABLES
        for rows in [installation.rows(f"select * from marts.{table}")]  # noqa: S608 - literals of this file
    }  # fmt: skip


def _versions(installation: Installation) -> dict[str, str]:
    """Return which transaction last wrote each row of the facts."""
    return {
        row["order_key"]: row["x"]
        for row in installation.rows("select order_key, xmin::text as x from marts.order_facts")
    }


def crawl_and_load(installation: Installation, *only: str, run_id: str = "run-2") -> LoadCounts:
    """Crawl all, or only some, and load what came."""
    installation.crawl(only or None, run_id=run_id)
    return installation.load(run_id)


def longest_scalev(sandbox: RunningSandbox) -> str:
    """Return the account with the longest Scalev history; orders of every status are in it."""
    return sandbox.world.stores[0].customers[1].account


def _order(sandbox: RunningSandbox, account: str, status: str) -> Mapping[str, Any]:
    return next(order for order in sandbox.world.orders(account) if order["status"] == status)


def fact_of(installation: Installation, order_id: str) -> dict[str, Any]:
    """Return the row of an order by its id at the source."""
    (row,) = installation.rows("select * from marts.order_facts where source_order_id = :id", id=order_id)
    return dict(row)


def _month(text: str) -> date:
    """Return the month of a UTC time in Jakarta, the zone of the first store."""
    moment = datetime.fromisoformat(text) + timedelta(hours=7)
    return date(moment.year, moment.month, 1)


def test_the_facts_are_the_worlds_truth(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, orders could be lost, doubled or summed wrongly between the page and the table."""
    installation.crawl()
    counts = installation.load()
    world = sandbox.world
    truth = {account: len(world.orders(account)) for account in world.accounts if world.orders(account)}
    assert counts.orders_new == sum(truth.values())
    assert (counts.orders_changed, counts.orders_unchanged, counts.stale_payloads) == (0, 0, 0)
    held = installation.rows("select partition_key, count(*) as n from ops.order_lineage group by 1")
    assert {row["partition_key"]: row["n"] for row in held} == truth
    paid: Counter[str] = Counter()
    sums: dict[str, Decimal] = {}
    for account in world.accounts:
        scope, _, _ = account.partition("/")
        for order in world.orders(account):
            paid[scope] += 1
            amount = order["paymentAmount"] if scope == "ktsp" else order["gross_revenue"]
            sums[scope] = sums.get(scope, Decimal(0)) + Decimal(str(amount or 0))
    rows = installation.rows(
        "select source_account, count(*) as n, sum(payment_amount) as payment from marts.order_facts group by 1"
    )
    assert {row["source_account"]: row["n"] for row in rows} == paid
    unreportable = installation.rows("select count(*) as n from marts.order_facts where not is_money_reportable")[0][
        "n"
    ]
    assert unreportable == sum(
        order["gross_revenue"] is None or order["product_price"] is None
        for account in world.accounts
        if not account.startswith("ktsp/")
        for order in world.orders(account)
    )
    assert {row["source_account"]: row["payment"] for row in rows} == sums


def test_a_second_load_changes_nothing(installation: Installation) -> None:
    """Without it, every refresh would rewrite the facts and restate every month."""
    crawl_and_load(installation, run_id="run-1")
    before = _versions(installation)
    assert installation.load() == LoadCounts(), "nothing is pending"
    assert crawl_and_load(installation) == LoadCounts(), "pages that did not change are not even read"
    assert _versions(installation) == before
    crawls = installation.rows(
        "select orders_new, orders_changed, loaded_at is not null as loaded from ops.crawls where run_id = 'run-2'"
    )
    assert {(row["orders_new"], row["orders_changed"]) for row in crawls} == {(0, 0)}
    assert installation.rows("select count(*) as n from ops.touched_months where change_number > 1") == [{"n": 0}]


def test_two_loads_at_once_do_the_work_once(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the daemon and the command line loading together would count every order as seen before."""
    installation.crawl()
    with ThreadPoolExecutor(2) as pool:
        counts = [load.result() for load in [pool.submit(installation.load) for _ in range(2)]]
    orders = sum(len(sandbox.world.orders(account)) for account in sandbox.world.accounts)
    assert sorted(count.orders_new for count in counts) == [0, orders]
    assert installation.rows("select sum(orders_new) as n from ops.crawls") == [{"n": orders}]


@pytest.mark.parametrize(("load_each", "batch_orders"), [(True, 20_000), (False, 20_000), (False, 1)])
def test_a_change_that_is_taken_back_is_followed(
    installation: Installation,
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
    *,
    load_each: bool,
    batch_orders: int,
) -> None:
    """Without it, a page that looks like one of long ago would be passed over, and the change between would stay."""
    monkeypatch.setattr(facts, "BATCH_ORDERS", batch_orders)
    account = sandbox.world.members[0].account
    order = sandbox.world.orders(account)[0]
    code, amount = order["orderCode"], order["paymentAmount"]
    crawl_and_load(installation, account, run_id="run-1")
    for value in ("1.00", amount):
        sandbox.world.change_order(account, code, {"paymentAmount": value})
        installation.crawl((account,), run_id="run-2")
        if load_each:
            installation.load("run-2")
            assert fact_of(installation, code)["payment_amount"] == Decimal(value)
    installation.load("run-2")
    assert fact_of(installation, code)["payment_amount"] == Decimal(amount)


def test_one_changed_order_is_one_written_row(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, one payment could rewrite a customer's history, or restate months it has nothing to do with."""
    account = longest_scalev(sandbox)
    crawl_and_load(installation, run_id="run-1")
    before = _versions(installation)
    order = _order(sandbox, account, "pending")
    sandbox.world.change_order(
        account,
        order["order_id"],
        {"notes": "personal", "gross_revenue": "1.00", "last_updated_at": "2026-11-01T00:00:00Z"},
    )
    counts = crawl_and_load(installation)
    after = _versions(installation)
    changed = fact_of(installation, order["order_id"])
    assert {key for key in after if after[key] != before[key]} == {changed["order_key"]}
    assert (changed["payment_amount"], changed["run_id"]) == (Decimal(1), "run-2")
    assert (counts.orders_changed, counts.orders_new) == (1, 0)
    assert counts.months == {_month(order["created_at"])}
    crawls = installation.rows("select partition_key from ops.crawls where orders_changed <> 0")
    assert [row["partition_key"] for row in crawls] == [account]
    (lineage,) = installation.rows("select * from ops.order_lineage where order_key = :key", key=changed["order_key"])
    latest = installation.rows("select max(crawl_id) as id from ops.crawls where partition_key = :a", a=account)
    assert lineage["crawl_id"] == latest[0]["id"]


def test_an_order_that_comes_beside_a_changed_one_has_all_that_belongs_to_it(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, replacing the status history of the one could take that of the other along."""
    account = longest_scalev(sandbox)
    crawl_and_load(installation, account, run_id="run-1")
    changed = _order(sandbox, account, "pending")["order_id"]
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    sandbox.world.change_status(account, changed, "confirmed", moment)
    new = sandbox.world.add_order(account, moment)["order_id"]
    counts = crawl_and_load(installation, account)
    assert (counts.orders_new, counts.orders_changed) == (1, 1)
    by_order = "select order_key from marts.{} group by 1".format
    keys = {fact_of(installation, code)["order_key"] for code in (new, changed)}
    for table in ("order_status_events", "order_line_facts", "order_lifecycle"):
        assert keys <= {row["order_key"] for row in installation.rows(by_order(table))}, table


def test_a_discount_that_changes_replaces_the_old_ones(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, discounts by kind would keep what an order no longer has, or miss what it got."""
    account = longest_scalev(sandbox)
    order = next(order for order in sandbox.world.orders(account) if order["gross_revenue"])
    code = order["order_id"]
    base = {"product_price": "1000", "shipping_cost": "100", "other_income": "0", "gross_revenue": "900"}
    kinds = ("product_discount", "discount_code_discount", "unique_code_discount", "shipping_discount")
    steps = [
        {"product_discount": "150", "unique_code_discount": "50"},
        {"product_discount": "120", "discount_code_discount": "30", "unique_code_discount": "50"},
        {"shipping_discount": "200"},
        {},
    ]
    names = {"product_discount": "product", "discount_code_discount": "code", "unique_code_discount": "unique_code",
             "shipping_discount": "shipping"}  # fmt: skip
    for number, step in enumerate(steps):
        amounts = {kind: step.get(kind, "0") for kind in kinds}
        stamp = {"last_updated_at": f"2026-11-0{number + 1}T00:00:00Z"}
        sandbox.world.change_order(account, code, base | amounts | stamp)
        crawl_and_load(installation, account)
        rows = installation.rows(
            "select discount_kind, amount from marts.discount_facts where order_key = :key",
            key=fact_of(installation, code)["order_key"],
        )
        assert {row["discount_kind"]: row["amount"] for row in rows} == {
            names[kind]: Decimal(amount) for kind, amount in step.items()
        }


def test_an_order_that_moves_touches_both_months(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the month that an order left would keep its money."""
    account = longest_scalev(sandbox)
    crawl_and_load(installation, account, run_id="run-1")
    order = _order(sandbox, account, "draft")
    sandbox.world.change_order(
        account, order["order_id"], {"created_at": "2025-01-31T18:00:00Z", "last_updated_at": "2026-11-01T00:00:00Z"}
    )
    counts = crawl_and_load(installation, account)
    assert counts.months == {_month(order["created_at"]), date(2025, 2, 1)}, "Jakarta is already in February"


def test_a_late_earlier_order_renumbers_the_later_ones(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, two orders of a customer would both count as the first."""
    account = sandbox.world.members[1].account
    crawl_and_load(installation, account, run_id="run-1")
    query = (
        "select customer_order_seq as seq, order_date from marts.order_facts"
        " where source_system = 'ktsp' order by ordered_at, source_order_id"
    )
    before = installation.rows(query)
    early = datetime(2024, 3, 5, tzinfo=UTC)
    sandbox.world.add_order(account, early)
    counts = crawl_and_load(installation, account)
    after = installation.rows(query)
    assert [row["seq"] for row in before] == list(range(1, len(before) + 1))
    assert [row["seq"] for row in after] == list(range(1, len(before) + 2))
    assert counts.orders_new == 1
    assert counts.orders_changed == 0, "a rank is no change of the order"
    was_first = before[0]["order_date"].replace(day=1)
    assert counts.months == {date(2024, 3, 1), was_first}, "sums tell the first order from the others, no more"


def test_an_order_that_no_longer_counts_leaves_the_ranks(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a returned first order would hide the customer's real first."""
    account = longest_scalev(sandbox)
    crawl_and_load(installation, account, run_id="run-1")
    ranked = (
        "select source_order_id from marts.order_facts where customer_order_seq is not null order by customer_order_seq"
    )
    before = [row["source_order_id"] for row in installation.rows(ranked)]
    sandbox.world.change_status(account, before[0], "canceled", datetime(2026, 11, 2, tzinfo=UTC))
    crawl_and_load(installation, account)
    assert [row["source_order_id"] for row in installation.rows(ranked)] == before[1:]
    assert fact_of(installation, before[0])["customer_order_seq"] is None


def test_an_older_payload_is_ignored(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a late answer of a slow server would undo a newer status."""
    account = longest_scalev(sandbox)
    order = _order(sandbox, account, "pending")
    change = {"status": "confirmed", "last_updated_at": "2026-11-02T00:00:00Z"}
    sandbox.world.change_order(account, order["order_id"], change)
    crawl_and_load(installation, account, run_id="run-1")
    stale = {"status": "canceled", "last_updated_at": "2026-11-01T00:00:00Z"}
    sandbox.world.change_order(account, order["order_id"], stale)
    counts = crawl_and_load(installation, account)
    assert (counts.stale_payloads, counts.orders_changed, counts.months) == (1, 0, frozenset())
    assert counts.orders_unchanged == 24, "the others of the page that differs"
    assert fact_of(installation, order["order_id"])["source_status"] == "confirmed"


@pytest.mark.parametrize("stamp", ["2026-10-01T00:00:00Z", None])
def test_the_same_clock_with_another_payload_is_a_change(
    stamp: str | None, installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, an edit that the source does not date would never reach the facts."""
    account = longest_scalev(sandbox)
    order = _order(sandbox, account, "pending")
    sandbox.world.change_order(account, order["order_id"], {"last_updated_at": stamp})
    crawl_and_load(installation, account, run_id="run-1")
    sandbox.world.change_order(account, order["order_id"], {"other_income_name": "Biaya Baru"})
    counts = crawl_and_load(installation, account)
    assert counts.orders_changed == 1
    assert fact_of(installation, order["order_id"])["other_income_name"] == "Biaya Baru"


def test_personal_data_is_no_change(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a new phone number would restate months."""
    account = longest_scalev(sandbox)
    crawl_and_load(installation, account, run_id="run-1")
    order = sandbox.world.orders(account)[0]
    sandbox.world.change_order(account, order["order_id"], {"notes": "ring twice", "secret_slug": "new"})
    counts = crawl_and_load(installation, account)
    assert (counts.orders_changed, counts.orders_unchanged) == (0, 25), "only the page that differs is looked at"


def _share_an_order(sandbox: RunningSandbox) -> tuple[str, str, str]:
    """Let two members list the same order; return both accounts and its code."""
    first, second = sandbox.world.members[0].account, sandbox.world.members[2].account
    order = sandbox.world.add_order(second, datetime(2026, 5, 5, tzinfo=UTC))
    sandbox.world.add_order(first, datetime(2026, 5, 5, tzinfo=UTC))
    mine = sandbox.world.orders(first)[0]["orderCode"]
    sandbox.world.change_order(first, mine, order)
    return first, second, order["orderCode"]


@pytest.mark.parametrize("together", ["in one load", "in two loads"])
def test_an_order_of_two_members_stays_with_the_first(
    together: str, installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, one purchase would wander between two people with every crawl."""
    first, second, code = _share_an_order(sandbox)
    for _ in range(2):
        for account in (first, second):
            installation.crawl([account])
            if together == "in two loads":
                installation.load()
        installation.load()
        fact = fact_of(installation, code)
        owner = installation.rows("select customer_key from ops.accounts where partition_key = :key", key=first)
        assert fact["customer_key"] == owner[0]["customer_key"]
        assert fact["anomaly_codes"] == ["member_conflict"]
    total = len(sandbox.world.orders(first)) + len(sandbox.world.orders(second)) - 1
    assert len(installation.rows("select 1 from marts.order_facts")) == total


def test_a_change_by_the_owner_keeps_the_conflict_flag(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the check that every page is in the facts would fail until the other member is crawled again."""
    first, second, code = _share_an_order(sandbox)
    crawl_and_load(installation, first, run_id="run-1")
    crawl_and_load(installation, second, run_id="run-1")
    sandbox.world.change_order(first, code, {"storeNameEn": "Renamed", "storeCode": "NEW1"})
    counts = crawl_and_load(installation, first)
    assert counts.orders_changed == 1
    fact = fact_of(installation, code)
    assert (fact["store_key"], fact["anomaly_codes"]) == ("ktsp|NEW1", ["member_conflict"])


def test_the_order_of_loading_does_not_matter(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a rebuild from the pages would not give the same facts."""
    accounts = [*sandbox.world.accounts[:3], *sandbox.world.accounts[-4:]]
    installation.crawl(accounts)
    installation.load()
    forwards = _contents(installation)
    for table in _TABLES:
        installation.do(f"truncate marts.{table} cascade")
    for account in reversed(accounts):
        installation.do("update ops.crawls set loaded_at = null where partition_key = :key", key=account)
        installation.load("run-9")
    assert _contents(installation) == forwards


def test_batches_do_not_change_the_result(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, facts could depend on how many orders fit into one transaction."""
    installation.crawl()
    whole = installation.load()
    expected = _contents(installation)
    for table in _TABLES:
        installation.do(f"truncate marts.{table} cascade")
    installation.do("update ops.crawls set loaded_at = null")
    monkeypatch.setattr(facts, "BATCH_ORDERS", 40)
    monkeypatch.setattr(load, "_HELD_ORDERS", 20)  # so what belongs to an order is derived again
    told: list[tuple[int, int]] = []
    counts = facts.load_pending(
        installation.engine, installation.settings, "run-2", lambda done, total: told.append((done, total))
    )
    assert (counts.orders_new, counts.months) == (whole.orders_new, whole.months)
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] >= counts.orders_new
    assert _contents(installation) == expected


def test_an_order_without_customer_is_adopted_when_the_customer_is_known(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, who arrives first would decide whether a customer counts as two, and their orders twice as new."""
    account = longest_scalev(sandbox)
    named = {order["order_id"]: order["customer"] for order in sandbox.world.orders(account)}
    for code in named:
        sandbox.world.change_order(account, code, {"customer": None})
    crawl_and_load(installation, account, run_id="run-1")
    customers = "select count(distinct customer_key) as n from marts.order_facts"
    assert installation.rows(customers) == [{"n": 1}]
    newest = next(iter(named))
    change = {"customer": named[newest] or {"id": 1}, "last_updated_at": "2026-11-01T00:00:00Z"}
    sandbox.world.change_order(account, newest, change)
    counts = crawl_and_load(installation, account)
    assert installation.rows(customers) == [{"n": 1}], "all of them belong to the customer that one of them names"
    assert len(counts.months) > 1, "the months of the adopted orders are recomputed"
    first = "select count(*) as n from marts.order_facts where customer_order_seq = 1"
    assert installation.rows(first) == [{"n": 1}]


def test_an_older_look_never_undoes_a_newer_one(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, of two crawls at once the slower one would bring back an amount that was already corrected."""
    account = sandbox.world.members[0].account
    order = sandbox.world.orders(account)[0]
    code, amount = order["orderCode"], order["paymentAmount"]
    installation.crawl((account,), run_id="slow")
    sandbox.world.change_order(account, code, {"paymentAmount": "1.00"})
    installation.crawl((account,), run_id="quick")
    installation.do("update ops.crawls set loaded_at = now() where run_id = 'slow'")
    installation.load()
    installation.do("update ops.crawls set loaded_at = null where run_id = 'slow'")
    installation.load()
    assert fact_of(installation, code)["payment_amount"] == Decimal(1)
    sandbox.world.change_order(account, code, {"paymentAmount": amount})
    crawl_and_load(installation, account)
    assert fact_of(installation, code)["payment_amount"] == Decimal(amount)

"""Pages that are bad, odd, spoiled, or without their key: they cost no other account anything and say so."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
import pytest

from order_assets.crawl import explain, facts
from order_assets.sandbox.testing import RunningSandbox
from order_assets.warehouse.load import LoadCounts
from order_assets_tests.crawl.parts import Installation
from order_assets_tests.crawl.test_facts import crawl_and_load, fact_of, longest_scalev


def test_good_pages_of_an_incomplete_crawl_count(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, one bad page would hide a year of orders."""
    account = longest_scalev(sandbox)
    sandbox.set_fault(account, "bad_json:from_page=1")
    counts = crawl_and_load(installation, account)
    assert counts.orders_new == 25
    crawls = installation.rows("select status, orders_new, loaded_at is not null as loaded from ops.crawls")
    assert [dict(row) for row in crawls] == [{"status": "incomplete", "orders_new": 25, "loaded": True}]


def test_a_running_crawl_is_left_alone(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, half an account could be loaded while it is being fetched."""
    account = longest_scalev(sandbox)
    installation.crawl([account])
    installation.do("update ops.crawls set status = 'running'")
    assert installation.load() == LoadCounts()


def test_odd_orders_do_not_cost_the_others(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, one absurd order would stop the load of every account."""
    account = longest_scalev(sandbox)
    odd: list[dict[str, Any]] = [
        {"orderlines": "none", "customer": 5, "store": [], "status_history": {}},
        {"gross_revenue": "1,000.00"},
        {"product_price": "99999999999999999.99"},
        {"shipping_cost": "9999999999999999", "other_income": "9999999999999999"},
        {"status": {"deep": 1}, "created_at": "0026-01-01T00:00:00Z", "last_updated_at": 7},
        {"discount_code_code": 'a"b,c\n\\N\\.\u202e\u0000', "other_income_name": "\\.\n" * 3},
        {"total_quantity": 10**30, "total_weight": 10**30},
        {"total_weight": "99999999999.9999"},
        {"currency": "X", "discount_rate": ["5"], "is_dropshipping": "yes"},
    ]
    orders = sandbox.world.orders(account)[: len(odd)]
    for order, changes in zip(orders, odd, strict=True):
        sandbox.world.change_order(account, order["order_id"], changes)
    installation.crawl()
    counts = installation.load()
    assert counts.orders_new == sum(len(sandbox.world.orders(key)) for key in sandbox.world.accounts)
    kept = [fact_of(installation, order["order_id"]) for order in orders]
    assert [row["is_money_reportable"] for row in kept[1:4]] == [False, False, False]


def test_a_page_that_cannot_be_loaded_costs_only_its_account(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, one spoiled page would stop the facts of everybody, at every load from then on."""
    account = longest_scalev(sandbox)
    installation.crawl()
    installation.do(
        "update raw.order_pages set body = 'spoiled' where crawl_id in"
        " (select crawl_id from ops.crawls where partition_key = :key and loaded_at is null)",
        key=account,
    )
    counts = installation.load()
    assert counts.orders_new == sum(len(sandbox.world.orders(a)) for a in sandbox.world.accounts if a != account)
    assert installation.load() == LoadCounts(), "it is not tried again for ever"
    unloaded = installation.rows("select partition_key, reason, reason_words from ops.crawls where status = 'failed'")
    assert [(row["partition_key"], row["reason"]) for row in unloaded] == [(account, "bad_envelope")]
    assert "could not be loaded" in unloaded[0]["reason_words"]


@pytest.mark.parametrize(
    ("error", "is_of_it"),
    [
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.OperationalError("the connection is lost"), True),
        (psycopg.errors.NumericValueOutOfRange(), False),
        (ValueError(), False),
    ],
)
def test_a_server_that_fails_in_a_copy_fails_the_load(error: Exception, *, is_of_it: bool) -> None:
    """Without it, a full disk would be taken for bad pages, and one account after the other given up."""
    assert facts.is_of_the_database(error) is is_of_it


def test_an_order_with_an_endless_id_is_an_order_like_any_other(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, no index could hold it and its account would load nothing; or be called deleted weekly."""
    endless = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(128))
    scalev, ktsp = longest_scalev(sandbox), sandbox.world.members[0].account
    for account, field in ((scalev, "order_id"), (ktsp, "orderCode")):
        for end in "ab":
            sandbox.world.change_order(account, sandbox.world.orders(account)[0][field], {field: endless + end})
            sandbox.world.add_order(account)
    orders = sum(len(sandbox.world.orders(account)) for account in (scalev, ktsp))
    for run_id in ("run-1", "run-2"):
        installation.crawl((scalev, ktsp), run_id=run_id)
        installation.load(run_id)
    crawls = installation.rows(
        "select status, reason, orders_new, orders_changed from ops.crawls where run_id = 'run-2'"
    )
    assert crawls == [{"status": "complete", "reason": "ok", "orders_new": 0, "orders_changed": 0}] * 2
    facts = installation.rows("select source_order_id, is_deleted_at_source from marts.order_facts")
    assert len(facts) == orders
    assert not any(row["is_deleted_at_source"] for row in facts)
    assert len({row["source_order_id"] for row in facts if row["source_order_id"].startswith(endless[:100])}) == 2
    with installation.engine.connect() as connection:
        assert [len(explain.find(connection, endless + end)) for end in "ab"] == [2, 2]


def test_pages_without_their_key_are_gone(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, forgetting a person would leave pages that can still be loaded."""
    installation.crawl([longest_scalev(sandbox)])
    installation.do("delete from ops.page_keys")
    assert installation.load() == LoadCounts()


def test_pages_under_a_lost_key_say_so(
    installation: Installation, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a lost key would look like a history without orders."""
    installation.crawl([longest_scalev(sandbox)])
    monkeypatch.setenv("ORDER_ASSETS_ENCRYPTION_KEY", "b" * 43 + "=")
    other = Installation.of(installation.engine, sandbox)
    assert other.load() == LoadCounts()
    (crawl,) = installation.rows("select status, reason, reason_words from ops.crawls")
    assert (crawl["status"], crawl["reason"]) == ("failed", "bad_envelope")
    assert "DecryptionError" in crawl["reason_words"]

"""Forgetting: nothing of the person is left anywhere, and everybody else's numbers stay."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

from order_assets.accounts_file import SettingsError
from order_assets.crawl import forget, replay
from order_assets.crawl.session import Session
from order_assets.sandbox.testing import RunningSandbox
from order_assets.settings import SourceSystem
from order_assets.warehouse import rebuild
from order_assets.warehouse.engine import connect
from order_assets_tests.crawl.parts import Installation

REVENUE = (
    "select store_key, currency_code, sum(payment_amount) as s, sum(orders_total) as n"
    " from marts.revenue_daily group by 1, 2 order by 1, 2"
)


def _found(installed: Installation, needles: set[str]) -> set[str]:
    """Return the tables of ours that hold any of the texts, in whatever column."""
    tables = installed.rows(
        "select schemaname || '.' || tablename as name from pg_tables where schemaname in ('marts', 'ops', 'raw')"
    )
    found = set()
    for table in tables:
        for row in installed.rows(f"select t::text as line from {table['name']} as t"):  # noqa: S608 - names of the catalogue
            if any(needle in row["line"] for needle in needles):
                found.add(str(table["name"]))
    return found


def _crawled(installed: Installation) -> None:
    for number in (1, 2):
        installed.crawl(run_id=f"run-{number}")
        installed.load(f"run-{number}")
    with installed.engine.begin() as connection:
        rebuild.summarise_all(connection, "run-s")


def _person(installed: Installation, account: str) -> tuple[set[str], list[dict[str, Any]]]:
    facts = installed.rows(
        "select f.* from marts.order_facts as f inner join ops.order_lineage as l using (order_key)"
        " where l.partition_key = :key order by f.order_key",
        key=account,
    )
    texts = {str(row[name]) for row in facts for name in ("order_key", "source_order_id", "customer_key")}
    return texts, [dict(row) for row in facts]


@pytest.mark.parametrize("source", ["scalev", "ktsp"])
def test_nothing_is_left_and_others_keep_their_sums(
    source: SourceSystem, installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a person who asked to be erased would live on in some table, or take others' revenue along."""
    world = sandbox.world
    account = world.members[0].account if source == "ktsp" else world.stores[0].customers[1].account
    _crawled(installation)
    code, change = (
        (world.orders(account)[0]["orderCode"], {"paymentAmount": "1.00"})
        if source == "ktsp"
        else (
            next(order["order_id"] for order in world.orders(account) if order["status"] == "pending"),
            {"status": "completed", "payment_status": "paid", "last_updated_at": "2026-11-01T00:00:00Z"},
        )
    )
    world.change_order(account, code, change)
    installation.crawl(run_id="run-3")
    installation.load("run-3")
    with installation.engine.begin() as connection:
        rebuild.summarise_all(connection, "run-s")
    texts, facts = _person(installation, account)
    assert facts
    assert "ops.restatements" in _found(installation, texts)
    others = "select * from marts.order_facts where not order_key = any(:keys) order by order_key"
    mine = [row["order_key"] for row in facts]
    before = installation.rows(others, keys=mine)
    revenue = {(r["store_key"], r["currency_code"]): (r["s"], r["n"]) for r in installation.rows(REVENUE)}

    done = forget.forget(installation.engine, installation.settings, source, account)
    assert (done.partition_keys, done.orders, done.still_configured) == ((account,), len(facts), (account,))
    assert _found(installation, texts) == set()
    assert installation.rows(others, keys=mine) == before
    for group, (payment, orders) in revenue.items():
        gone = [row for row in facts if (row["store_key"], row["currency_code"]) == group]
        paid = sum((row["payment_amount"] for row in gone if row["revenue_class"] == "recognised"), Decimal(0))
        (now,) = [
            (r["s"], r["n"]) for r in installation.rows(REVENUE) if (r["store_key"], r["currency_code"]) == group
        ] or [(Decimal(0), 0)]
        assert now == ((payment - paid if payment is not None else None), orders - len(gone))
    (kept,) = installation.rows("select * from ops.accounts where partition_key = :key", key=account)
    assert (kept["state"], kept["retired_by"], kept["display_name"]) == ("retired", "command", "forgotten")
    for table in ("ops.credentials", "ops.page_keys", "ops.crawls"):
        assert installation.rows(f"select 1 from {table} where partition_key = :key", key=account) == []  # noqa: S608 - names of this file


def test_a_later_crawl_or_replay_brings_nobody_back(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the next refresh or rebuild would undo the erasure."""
    account = sandbox.world.members[0].account
    _crawled(installation)
    texts, _ = _person(installation, account)
    forget.forget(installation.engine, installation.settings, "ktsp", account)
    installation.sync()
    others = [key for key in sandbox.world.accounts if key != account]
    installation.crawl(others, run_id="run-4")
    installation.load("run-4")
    replay.replay(installation.engine, installation.settings, "replay-1")
    assert _found(installation, texts) == set()
    state = installation.rows("select state from ops.accounts where partition_key = :key", key=account)
    assert state == [{"state": "retired"}]


def test_an_account_that_was_never_crawled_can_be_forgotten(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, who asks in time could not be kept away."""
    account = sandbox.world.members[1].account
    done = forget.forget(installation.engine, installation.settings, "ktsp", account)
    assert (done.orders, done.pages, done.months) == (0, 0, ())
    assert forget.forget(installation.engine, installation.settings, "ktsp", account) == done, "twice is once"


def test_an_account_under_crawl_is_left_alone(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the crawl would go on and write pages of a person who was just erased."""
    account = sandbox.world.members[0].account
    _crawled(installation)
    with Session(installation.engine) as session:
        assert session.hold("ktsp", [account])
        with pytest.raises(forget.AccountBusyError, match="nothing was erased"):
            forget.forget(installation.engine, installation.settings, "ktsp", account)
    assert _person(installation, account)[1]


def test_a_run_that_chose_the_account_before_does_not_crawl_it(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a run that waits while a person is erased would bring all of it back a second later."""
    account, other = sandbox.world.members[0].account, sandbox.world.members[1].account
    _crawled(installation)
    forget.forget(installation.engine, installation.settings, "ktsp", account)
    sandbox.reset_requests()
    assert set(installation.crawl([account, other], run_id="run-9")) == {other}
    assert set(sandbox.requests()) == {other}
    assert installation.rows("select * from ops.crawls where partition_key = :key", key=account) == []
    with Session(installation.engine) as session:
        assert session.hold("ktsp", [account]), "it was let go"


def test_the_file_does_not_give_the_name_back(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the next refresh would write down again whose account it was."""
    account = sandbox.world.members[0].account
    forget.forget(installation.engine, installation.settings, "ktsp", account)
    for _ in range(2):
        installation.sync()
        shown = installation.rows("select display_name from ops.accounts where partition_key = :key", key=account)
        assert shown == [{"display_name": forget.NEUTRAL_NAME}]


def test_a_stop_half_way_leaves_everything(
    installation: Installation, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a kill could leave sums of orders that are gone."""
    account = sandbox.world.members[0].account
    _crawled(installation)
    before = installation.rows(REVENUE), _person(installation, account)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rebuild, "summarise", killed)
    with pytest.raises(KeyboardInterrupt):
        forget.forget(installation.engine, installation.settings, "ktsp", account)
    assert (installation.rows(REVENUE), _person(installation, account)) == before


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_at_any_statement_leaves_everything_or_nothing(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a machine that stops at the wrong moment could leave half a person, or sums of lost orders."""
    account = sandbox.world.stores[0].customers[1].account
    _crawled(installation)
    texts, facts = _person(installation, account)
    before = installation.rows(REVENUE), facts
    every = int(os.environ.get("ORDER_ASSETS_KILL_EVERY", "9"))  # 1: after each statement
    kills = 0
    for number in range(1, 1000, every):
        installation.engine.dispose()  # no connection may be shared with the child
        child = os.fork()
        if child == 0:
            _forget_until_killed(installation, account, number)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            break
        kills += 1
        assert os.WTERMSIG(status) == signal.SIGKILL
        now = installation.rows(REVENUE), _person(installation, account)[1]
        if now != before:  # killed after its commit, while it let the account go
            break
    assert kills * every > 40, "it was really killed on the way"
    assert _found(installation, texts) == set(), f"killed after statement {number}"
    summed = {(row["store_key"], row["currency_code"]): row["n"] for row in installation.rows(REVENUE)}
    query = "select store_key, currency_code, count(*) as n from marts.order_facts group by 1, 2"
    assert summed == {(row["store_key"], row["currency_code"]): row["n"] for row in installation.rows(query)}
    assert forget.forget(installation.engine, installation.settings, "scalev", account).orders == 0, "twice is once"


def _forget_until_killed(installed: Installation, account: str, statements: int) -> NoReturn:
    """Forget in a process of its own, that is killed after so many statements."""
    left = [statements]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        engine = connect(installed.engine.url.render_as_string(hide_password=False))
        sa.event.listen(engine, "after_cursor_execute", count)
        forget.forget(engine, installed.settings, "scalev", account)
        os._exit(0)
    finally:
        os._exit(1)


def test_an_unknown_account_is_a_clear_error(installation: Installation) -> None:
    """Without it, a slip of the pen would look like an erasure."""
    with pytest.raises(SettingsError, match="there is no account"):
        forget.forget(installation.engine, installation.settings, "ktsp", "ktsp/NOBODY")


def test_two_accounts_of_one_person_go_together(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the second name of the same person would bring the orders back."""
    first, second = sandbox.world.members[0].account, sandbox.world.members[1].account
    _crawled(installation)
    installation.do(
        "update ops.accounts set customer_key = (select customer_key from ops.accounts where partition_key = :a)"
        " where partition_key = :b",
        a=first,
        b=second,
    )
    with installation.engine.connect() as connection:
        seen = forget.preview(connection, installation.settings, "ktsp", first)
    assert seen.partition_keys == tuple(sorted((first, second)))

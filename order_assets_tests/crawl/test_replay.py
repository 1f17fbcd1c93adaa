"""Replay: the same rows from the raw pages, the new truth under new rules, and nothing lost on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.crawl import facts, installation, replay
from order_assets.sandbox.testing import RunningSandbox
from order_assets.warehouse import checks, rebuild, restatements
from order_assets.warehouse.ledger_schema import crawls
from order_assets.warehouse.schema import metadata, order_facts
from order_assets_tests.crawl.parts import Installation

# The whole of what a replay may change in a row: who wrote it, and when a summary was computed.
# The crawls of an unknown field are those of the batch that was loaded with it.
MAY_DIFFER = {"run_id", "computed_at", "first_crawl_id", "last_crawl_id"}
OTHER_TABLES = ("order_lineage", "unknown_fields")


def contents(installed: Installation) -> dict[str, list[dict[str, Any]]]:
    """Return every row of the marts and of the lineage."""
    tables = [t for t in metadata.sorted_tables if t.schema == "marts" or t.name in OTHER_TABLES]
    return {
        table.name: sorted(
            ({key: value for key, value in row.items() if key not in MAY_DIFFER} for row in rows), key=repr
        )
        for table in tables
        for rows in [installed.rows(f"select * from {table.fullname}")]  # noqa: S608 - names of the schema
    }


def same(after: dict[str, list[dict[str, Any]]], before: dict[str, list[dict[str, Any]]]) -> None:
    """Compare tables row by row, so that a failure shows the rows alone."""
    for table, rows in before.items():
        assert [row for row in after[table] if row not in rows] == [], table
        assert [row for row in rows if row not in after[table]] == [], table
        assert len(after[table]) == len(rows), table


def publish(installed: Installation) -> None:
    """Recompute every summary."""
    with installed.engine.begin() as connection:
        rebuild.summarise_all(connection, "run-s")


def again(installed: Installation, run_id: str = "replay-1", since: datetime | None = None) -> replay.ReplayCounts:
    """Replay."""
    return replay.replay(installed.engine, installed.settings, run_id, since=since)


def with_policy(installed: Installation, recognition: str = "paid", **more: object) -> Installation:
    """Return the installation with another policy."""
    settings = installed.settings
    policy = settings.accounts.policy.model_copy(update={"recognition": recognition, **more})
    changed = dataclasses.replace(settings, accounts=settings.accounts.model_copy(update={"policy": policy}))
    return Installation(installed.engine, changed)


def history(installed: Installation, sandbox: RunningSandbox) -> None:
    """Let some time go by: changes, moves, a deletion and its return, an order under two members, late customers."""
    world = sandbox.world
    first, second = world.members[0].account, world.members[2].account
    store = world.stores[0].customers[1].account
    nameless = world.stores[1].customers[0].account
    for order in world.orders(nameless):
        world.change_order(nameless, order["order_id"], {"customer": None})

    def crawl(number: int) -> None:
        installed.crawl(run_id=f"run-{number}")
        installed.load(f"run-{number}")
        publish(installed)

    crawl(1)
    shared = world.add_order(second, datetime(2026, 5, 5, tzinfo=UTC))
    world.add_order(first, datetime(2026, 5, 5, tzinfo=UTC))
    world.change_order(first, world.orders(first)[0]["orderCode"], shared)
    if world.orders(nameless):
        order = world.orders(nameless)[0]["order_id"]
        world.change_order(nameless, order, {"customer": {"id": 7}, "last_updated_at": "2026-11-01T00:00:00Z"})
    changed = world.orders(store)[2]["order_id"]
    world.change_order(
        store, changed, {"created_at": "2025-01-31T18:00:00Z", "last_updated_at": "2026-11-01T00:00:00Z"}
    )
    crawl(2)
    gone = world.orders(first)[1]
    world.delete_order(first, gone["orderCode"])
    world.change_order(
        store, world.orders(store)[0]["order_id"], {"surprise": 1, "last_updated_at": "2026-11-02T00:00:00Z"}
    )
    crawl(3)
    world.evolve(10)
    crawl(4)


def test_a_replay_gives_the_same_rows(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, facts could hold what no page says, and nobody would dare to rebuild them."""
    history(installation, sandbox)
    before = contents(installation)
    counts = again(installation)
    same(contents(installation), before)
    assert (counts.added, counts.changed, counts.removed, counts.kept, counts.restated) == (0, 0, 0, 0, 0)
    assert counts.unreadable == ()
    assert counts.orders == len(before["order_facts"])
    assert {row["run_id"] for row in installation.rows("select distinct run_id from marts.order_facts")} == {"replay-1"}


def test_a_replay_does_not_touch_the_ledger(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, what each crawl brought would be rewritten, and a crawl loaded long ago would look like news."""
    history(installation, sandbox)
    query = "select * from ops.crawls order by crawl_id"
    before = installation.rows(query)
    again(installation)
    assert installation.rows(query) == before
    with installation.engine.connect() as connection:
        assert facts.fetched(connection, crawls.c.loaded_at.is_(None)) == []


def test_broken_marts_are_made_whole(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a replay would only confirm what is there: wrong, missing and invented rows would stay."""
    history(installation, sandbox)
    before = contents(installation)
    (invented,) = installation.rows("select order_key from marts.order_facts where source_system = 'scalev' limit 1")
    names = ", ".join(c.name for c in order_facts.columns if c.computed is None)
    taken = names.replace("order_key", "'invented'", 1).replace("source_order_id", "'invented'", 1)
    installation.do(
        f"insert into marts.order_facts ({names}) select {taken} from marts.order_facts where order_key = :key",  # noqa: S608 - names of the schema
        key=invented["order_key"],
    )
    installation.do("update marts.order_facts set other_income_name = 'wrong'")
    installation.do("delete from marts.order_facts where source_system = 'ktsp'")
    installation.do("update marts.revenue_daily set net_sales_amount = net_sales_amount + 1")
    again(installation)
    same(contents(installation), before)


def test_another_policy_gives_the_new_truth(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a merchant who changes what counts as revenue would have old and new rules in one sum for ever."""
    history(installation, sandbox)
    with installation.engine.begin() as connection:
        installation_before = connection.execute(sa.text("select value from ops.installation where name = 'rules'"))
        assert installation_before.one_or_none() is None
        assert _warnings(connection, installation) == []
    placed = with_policy(installation, "placed")
    with installation.engine.begin() as connection:
        assert "order-assets replay" in _warnings(connection, placed)[0]
    counts = again(placed)
    assert counts.changed > 0
    assert counts.restated > 0
    states = placed.rows("select distinct recognition_state from marts.order_facts where order_state <> 'draft'")
    assert [row["recognition_state"] for row in states] == ["recognised"]
    with installation.engine.begin() as connection:
        assert _warnings(connection, placed) == []
        noted = restatements.listed(connection)
    assert {row.crawl_id for row in noted if row.detected_at == max(r.detected_at for r in noted)} == {None}
    _sums_tie(placed)
    again(with_policy(installation, "paid"), "replay-2")
    assert len(placed.rows("select distinct recognition_state from marts.order_facts")) > 1


def test_another_meaning_of_statuses_and_methods_gives_the_new_truth(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a merchant's own status would stay unknown, and its orders out of revenue, whatever is configured."""
    history(installation, sandbox)
    with installation.engine.begin() as connection:
        assert _warnings(connection, installation) == []
    for meaning in ("canceled", "completed"):
        other = with_policy(installation, cod_like_methods=("cod",), statuses={"shipped": meaning})
        with installation.engine.begin() as connection:
            assert "order-assets replay" in _warnings(connection, other)[0]
        assert again(other, f"replay-{meaning}").changed > 0
        states = other.rows("select distinct order_state from marts.order_facts where source_status = 'shipped'")
        assert [row["order_state"] for row in states] == [meaning]
        lost = other.rows("select lost_kind from marts.order_facts where source_status = 'shipped'")
        assert {row["lost_kind"] for row in lost} == {"canceled" if meaning == "canceled" else None}
        unpaid = other.rows(
            "select recognition_state from marts.order_facts where source_status = 'completed'"
            " and payment_state = 'unpaid' and payment_method in ('no_payment', 'marketplace')"
        )
        assert all(row["recognition_state"] == "open" for row in unpaid)
        _sums_tie(other)


def _warnings(connection: sa.Connection, installed: Installation) -> list[str]:
    return installation.check(connection, installed.settings)


def _sums_tie(installed: Installation) -> None:
    for table in ("revenue_daily", "revenue_monthly"):
        (row,) = installed.rows(
            "select (select sum(payment_amount) from marts.order_facts where revenue_class = 'recognised') ="  # noqa: S608 - names of this file
            f" (select sum(payment_amount) from marts.{table}) as tie"
        )
        assert row["tie"]


def test_another_time_zone_and_currency_give_the_new_truth(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, dates and default currencies would stay those of the day the order was first seen."""
    history(installation, sandbox)
    before = {row["order_key"]: row["order_date"] for row in _ktsp(installation)}
    installation.do(
        "update ops.accounts set time_zone = 'America/Los_Angeles', currency = 'USD' where source_system = 'ktsp'"
    )
    again(installation)
    after = _ktsp(installation)
    assert {row["currency_code"] for row in after} == {"USD"}
    assert {row["store_time_zone"] for row in after} == {"America/Los_Angeles"}
    assert any(row["order_date"] < before[row["order_key"]] for row in after)
    stores = installation.rows("select distinct default_currency from marts.dim_store where source_system = 'ktsp'")
    assert [row["default_currency"] for row in stores] == ["USD"]
    assert installation.rows("select 1 from marts.revenue_daily where currency_code = 'HKD'") == []
    _sums_tie(installation)


def _ktsp(installed: Installation) -> list[Mapping[str, Any]]:
    return installed.rows("select * from marts.order_facts where source_system = 'ktsp'")


def test_since_takes_only_what_was_fetched_since(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a correction of last week's loads would cost the whole history, or miss orders seen unchanged."""
    installation.crawl()
    installation.load()
    publish(installation)
    installation.do("update raw.order_pages set fetched_at = fetched_at - interval '30 days'")
    installation.do(
        "update marts.order_facts set first_seen_at = first_seen_at - interval '30 days',"
        " last_seen_at = last_seen_at - interval '30 days', last_changed_at = last_changed_at - interval '30 days'"
    )
    member = sandbox.world.members[0].account
    installation.crawl((member,), run_id="run-2")
    installation.load("run-2")
    before = contents(installation)
    installation.do("update marts.order_facts set is_dropship = not coalesce(is_dropship, false)")
    counts = again(installation, since=datetime.now(UTC) - timedelta(days=1))
    mine = len(sandbox.world.orders(member))
    written = installation.rows("select count(*) as n from marts.order_facts where run_id = 'replay-1'")
    assert written == [{"n": mine}], "also orders that came again unchanged"
    assert counts.changed == mine
    assert contents(installation)["unknown_fields"] == before["unknown_fields"], "counts are not doubled"
    assert again(installation, "replay-2").changed == len(before["order_facts"]) - mine, "the others, by a whole one"


def test_orders_whose_pages_are_gone_stay(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a replay after the pages were removed by age would delete the history they brought."""
    installation.crawl()
    installation.load()
    publish(installation)
    before = contents(installation)
    account = sandbox.world.members[0].account
    installation.do(
        "delete from raw.order_pages where crawl_id in (select crawl_id from ops.crawls where partition_key = :key)",
        key=account,
    )
    counts = again(installation)
    assert counts.kept == len(sandbox.world.orders(account))
    after = contents(installation)
    for table in before.keys() - {"dim_store"}:  # a store is first seen on the pages that are left
        assert after[table] == before[table], table


def test_a_crawl_under_way_keeps_its_orders(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, orders of an interrupted crawl that was taken up again would be gone until it ends."""
    installation.crawl()
    installation.load()
    before = contents(installation)["order_facts"]
    installation.do(
        "update ops.crawls set status = 'running' where partition_key = :key", key=sandbox.world.accounts[1]
    )
    again(installation)
    assert contents(installation)["order_facts"] == before


def test_a_violated_check_undoes_everything(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a defect would be published in place of good numbers."""
    installation.crawl()
    installation.load()
    publish(installation)
    before = installation.rows("select * from marts.order_facts order by order_key")
    monkeypatch.setattr(checks, "find", lambda *_: checks.Finding(1, ("key",)))
    with pytest.raises(replay.ReplayFailedError, match="undone"):
        again(installation)
    assert installation.rows("select * from marts.order_facts order by order_key") == before


def test_small_batches_and_an_unloadable_crawl(
    installation: Installation, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, memory would grow with the history, and one spoiled page would forbid every replay."""
    history(installation, sandbox)
    account = sandbox.world.stores[0].customers[2].account
    sandbox.world.add_order(account)
    installation.crawl((account,), run_id="run-9")
    installation.do(
        "update raw.order_pages set body = 'spoiled' where crawl_id in"
        " (select crawl_id from ops.crawls where partition_key = :key and loaded_at is null)",
        key=account,
    )
    installation.load("run-9")
    before = contents(installation)
    monkeypatch.setattr(facts, "BATCH_ORDERS", 30)
    told: list[tuple[int, int]] = []
    counts = replay.replay(
        installation.engine,
        installation.settings,
        "replay-1",
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert len(told) > 3
    assert told[-1][0] == told[-1][1]
    assert len(counts.unreadable) == 1
    assert contents(installation)["order_facts"] == before["order_facts"]


def test_readers_see_old_or_new(installation: Installation) -> None:
    """Without it, a dashboard that is opened during a replay would show a fraction of the revenue."""
    installation.crawl()
    installation.load()
    publish(installation)
    query = "select count(*) as n, sum(payment_amount) as s from marts.order_facts"
    before = installation.rows(query)
    seen: list[Any] = []
    replay.replay(
        installation.engine,
        installation.settings,
        "r",
        on_progress=lambda _done, _total: seen.append(installation.rows(query)),
    )
    assert seen
    assert all(rows == before for rows in seen)
    assert before[0]["s"] > Decimal(0)

"""Retention: old pages go, and nothing that was made of them does, not even in a replay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_assets.crawl import explain, forget, replay, retention, rotation
from order_assets.crawl.retention import Purged
from order_assets.sandbox.testing import RunningSandbox
from order_assets.warehouse import checks, roles
from order_assets.warehouse.engine import connect
from order_assets_tests.crawl.parts import Installation
from order_assets_tests.crawl.test_replay import again, contents, history, publish, same, with_policy
from order_assets_tests.warehouse.logins import login

DAYS = 365
# An order that is found unchanged on a younger page is from then on known from there.
PLACE = {"last_seen_at", "crawl_id", "page_number", "position"}


def purge_up_to(installed: Installation, run_id: str, **how: Any) -> Purged:
    """Delete the pages of the crawls up to a run, as if it were long ago."""
    (row,) = installed.rows("select max(finished_at) as at from ops.crawls where run_id = :run_id", run_id=run_id)
    now = row["at"] + timedelta(days=DAYS, microseconds=1)
    return retention.purge(installed.engine, DAYS, now=now, **how)


def bodies(installed: Installation) -> dict[str, tuple[int, int]]:
    """Return, by run, how many pages have a body, and how many rows there are."""
    rows = installed.rows(
        "select c.run_id, count(*) filter (where octet_length(p.body) > 0) as bodies, count(*) as rows"
        " from raw.order_pages as p inner join ops.crawls as c using (crawl_id) group by 1"
    )
    return {row["run_id"]: (row["bodies"], row["rows"]) for row in rows}


def but_for_the_place(tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the tables without what says which of several equal pages an order is known from."""
    return {
        name: sorted(({key: row[key] for key in row.keys() - PLACE} for row in rows), key=repr)
        for name, rows in tables.items()
    }


def failing(installed: Installation) -> list[str]:
    """Return the blocking checks that are violated."""
    limits = installed.settings.accounts.checks.model_dump()
    with installed.engine.connect() as connection:
        return [
            check.name
            for check in checks.CHECKS
            if check.is_blocking and checks.find(connection, check, limits).failing
        ]


def test_only_old_pages_go_and_no_fact_does(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, personal data would be kept for ever; or a purge would take facts, or proof of them, along."""
    history(installation, sandbox)
    before, kept = contents(installation), bodies(installation)
    (shared,) = installation.rows(
        "select count(distinct (y.same_crawl_id, y.same_page_number)) as n from raw.order_pages as y"
        " inner join ops.crawls as c using (crawl_id) inner join ops.crawls as h on h.crawl_id = y.same_crawl_id"
        " where c.run_id in ('run-3', 'run-4') and h.run_id in ('run-1', 'run-2')"
    )
    purged = purge_up_to(installation, "run-2")
    after = bodies(installation)
    assert purged.pages == kept["run-1"][0] + kept["run-2"][0] - shared["n"] > 0
    assert purged.bytes > 100 * purged.pages
    assert (after["run-3"], after["run-4"]) == (kept["run-3"], kept["run-4"])
    assert after["run-1"][0] + after.get("run-2", (0, 0))[0] == shared["n"] > 0, "as young as the youngest equal page"
    assert contents(installation) == before
    assert failing(installation) == []
    assert purge_up_to(installation, "run-2") == Purged(), "twice is once"


def test_a_replay_of_what_is_left_gives_the_same_rows(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a replay would lose the first sighting of orders, whose they were, or the orders themselves."""
    installation.crawl(run_id="run-0")
    installation.load("run-0")
    account = sandbox.world.stores[0].customers[1].account
    order = sandbox.world.orders(account)[1]["order_id"]
    sandbox.world.change_order(
        account, order, {"payment_status": "conflict", "last_updated_at": "2026-10-01T00:00:00Z"}
    )
    history(installation, sandbox)
    before = contents(installation)
    assert [row for row in before["order_status_events"] if row["event_source"] == "observed"]
    purge_up_to(installation, "run-2")
    counts = again(installation)
    same(but_for_the_place(contents(installation)), but_for_the_place(before))
    assert (counts.added, counts.changed, counts.removed, counts.restated) == (0, 0, 0, 0)
    (gone,) = installation.rows(
        "select count(*) as n from marts.order_facts as f inner join ops.order_lineage as l using (order_key)"
        " inner join raw.order_pages as p using (crawl_id, page_number) where octet_length(p.body) = 0"
    )
    assert counts.kept == gone["n"] > 0, "what no page shows any more is counted"
    again(installation, "replay-2")
    same(but_for_the_place(contents(installation)), but_for_the_place(before))
    assert failing(installation) == []


def test_without_any_page_everything_stays(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a replay years later would empty the marts."""
    history(installation, sandbox)
    before = contents(installation)
    purge_up_to(installation, "run-4")
    assert {count for count, _ in bodies(installation).values()} == {0}
    counts = again(installation)
    assert counts.kept == counts.orders == len(before["order_facts"])
    same(contents(installation), before)


def test_another_policy_reaches_what_a_page_shows(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a replay could claim new rules for orders it cannot derive, or refuse them to those it can."""
    history(installation, sandbox)
    installation.do("delete from marts.order_status_events where event_source = 'observed'")
    purge_up_to(installation, "run-3")
    counts = again(with_policy(installation, "placed"))
    assert counts.changed > 0
    shown = installation.rows(
        "select f.recognition_state, octet_length(p.body) > 0 as is_kept, f.run_id = 'replay-1' as is_new"
        " from marts.order_facts as f inner join ops.order_lineage as l using (order_key)"
        " inner join raw.order_pages as p using (crawl_id, page_number) where f.order_state <> 'draft'"
    )
    assert all(row["is_kept"] == row["is_new"] for row in shown)
    assert {row["recognition_state"] for row in shown if row["is_kept"]} == {"recognised"}
    assert counts.kept == sum(not row["is_kept"] for row in shown)


def test_a_later_crawl_finds_nothing_new(installation: Installation) -> None:
    """Without it, the next refresh would count known orders as new, or restate months that did not change."""
    for number in (1, 2):
        installation.crawl(run_id=f"run-{number}")
        installation.load(f"run-{number}")
    purge_up_to(installation, "run-2")
    before = contents(installation)["order_facts"]
    installation.crawl(run_id="run-3")
    counts = installation.load("run-3")
    assert (counts.orders_new, counts.orders_changed, counts.months) == (0, 0, frozenset())
    assert contents(installation)["order_facts"] == before


def test_a_body_is_as_young_as_the_youngest_page_that_has_it(installation: Installation) -> None:
    """Without it, orders that the source still lists would lose the page they can be derived from."""
    for number in (1, 2):
        installation.crawl(run_id=f"run-{number}")
        installation.load(f"run-{number}")
    publish(installation)
    before = contents(installation)
    pages = bodies(installation)["run-1"][1]
    assert bodies(installation) == {"run-1": (pages, pages), "run-2": (0, pages)}, "each is stored once"
    assert purge_up_to(installation, "run-1") == Purged()
    installation.do("update marts.order_facts set other_income_name = 'wrong'")
    counts = again(installation)
    assert counts.kept == 0
    same(contents(installation), before)
    (since,) = installation.rows("select min(started_at) as at from ops.crawls where run_id = 'run-2'")
    installation.do("update marts.order_facts set other_income_name = 'wrong'")
    assert replay.replay(installation.engine, installation.settings, "replay-2", since=since["at"]).changed > 0
    assert installation.rows("select order_key from marts.order_facts where other_income_name = 'wrong'") == []
    assert purge_up_to(installation, "run-2", batch_crawls=3).pages == pages
    assert failing(installation) == []


def test_the_same_words_sent_in_another_encoding_are_another_body(installation: Installation) -> None:
    """Without it, a page would be read by the encoding of another one's body, and its orders be gone."""
    for number in (1, 2):
        installation.crawl(run_id=f"run-{number}")
        installation.do("update raw.order_pages set content_encoding = 'x' where crawl_id in"
                        " (select crawl_id from ops.crawls where run_id = 'run-1')")  # fmt: skip
        installation.load(f"run-{number}")
    pages = bodies(installation)["run-1"][1]
    assert bodies(installation) == {"run-1": (pages, pages), "run-2": (pages, pages)}


@pytest.mark.parametrize("column", ["status = 'running'", "loaded_at = null"])
def test_pages_that_are_still_needed_stay(column: str, installation: Installation) -> None:
    """Without it, orders that were fetched long ago and never loaded would be lost."""
    installation.crawl()
    installation.load()
    kept = bodies(installation)
    installation.do(f"update ops.crawls set {column}")  # noqa: S608 - texts of this file
    assert purge_up_to(installation, "run-1") == Purged()
    assert bodies(installation) == kept


def test_a_stop_half_way_loses_nothing(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a purge that was killed could leave marts that do not tie, or never come to its end."""
    history(installation, sandbox)
    before = contents(installation)

    def killed(_purged: Purged) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        purge_up_to(installation, "run-4", batch_crawls=3, on_batch=killed)
    assert failing(installation) == []
    again(installation)
    same(but_for_the_place(contents(installation)), but_for_the_place(before))
    purge_up_to(installation, "run-4", batch_crawls=3)
    assert {count for count, _ in bodies(installation).values()} == {0}
    same(but_for_the_place(contents(installation)), but_for_the_place(before))


def test_an_order_is_explained_without_its_page(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, asking about an old order would end in an error of decryption."""
    history(installation, sandbox)
    purge_up_to(installation, "run-4")
    (order,) = installation.rows("select order_key from marts.order_facts limit 1")
    with installation.engine.connect() as connection:
        explained = explain.explain(connection, installation.settings, order["order_key"])
    assert explained.lineage is not None
    assert explained.lineage["bytes_of_page"] == "the page is not kept any more"
    assert explained.lineage["fetched_at"] < datetime.now(UTC)


def test_a_writer_may_do_all_of_it(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a purge, a replay or an erasure would ask for the rights of the owner of the tables."""
    roles.provide(installation.engine)
    writer = connect(login(installation.engine, roles.WRITER))
    mine = Installation(writer, installation.settings)
    mine.crawl()
    mine.load()
    publish(mine)
    assert purge_up_to(mine, "run-1").pages > 0
    again(mine)
    rotation.rotate(writer, mine.vault)
    account = sandbox.world.members[0].account
    assert forget.forget(writer, mine.settings, "ktsp", account).orders == len(sandbox.world.orders(account))
    writer.dispose()

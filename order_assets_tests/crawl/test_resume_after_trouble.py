"""Crawls that are stopped, parked or meet trouble: their good pages count, and they go on behind them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from order_assets.clients.errors import Reason
from order_assets.clients.pagination import Status
from order_assets.sandbox.testing import RunningSandbox
from order_assets_tests.crawl import interrupted
from order_assets_tests.crawl.crawling_process import CrawlingProcess, Roadblock, accounts_file, until
from order_assets_tests.crawl.interrupted import (
    FULL,
    SIZE,
    check_facts,
    code_of,
    crawl_and_kill,
    crawls_of,
    facts_of,
    is_ktsp,
    kept_of,
    rest_of,
)
from order_assets_tests.crawl.parts import AUTO, Installation

sandbox = interrupted.sandbox
installation = interrupted.installation
account = interrupted.account


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_crawl_that_is_stopped_says_so_and_goes_on_later(
    installation: Installation, sandbox: RunningSandbox, account: str, tmp_path: Path, how: signal.Signals
) -> None:
    """Without it, Ctrl-C would leave crawls that look as if they still ran, or cost what was fetched."""
    sandbox.state.faults = Roadblock({account: 3})
    url = installation.engine.url.render_as_string(hide_password=False)
    source: Any = "ktsp" if is_ktsp(account) else "scalev"
    with CrawlingProcess(
        url, accounts_file(sandbox, page_size=SIZE), tmp_path, "stopped", source, [account]
    ) as process:
        process.go()
        until(lambda: sandbox.requests().get(account) == 4, "it waits at the roadblock")
        process.stop(how)
        assert process.results() == {}
    (crawl,) = crawls_of(installation, account)
    assert (crawl["status"], crawl["reason"], crawl["pages"]) == ("incomplete", "timeout", 3)
    assert crawl["orders_seen"] == 3 * SIZE
    assert "interrupted" in crawl["reason_words"]
    installation.load()
    assert len(facts_of(installation)) == 3 * SIZE, "its pages count meanwhile"
    sandbox.state.faults = Roadblock({})
    sandbox.reset_requests()
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert (result.verdict.is_complete, result.crawl_id) == (True, crawl["crawl_id"])
    assert sandbox.requests() == {account: rest_of(sandbox, account, 3)}
    installation.load()
    check_facts(installation, sandbox, account)


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        ("server_error:from_page=3", 3),
        ("bad_json:from_page=3", 4),  # the damaged page is kept as well
        ("disconnected:from_page=3", 3),
        ("token_expired:from_page=3", 3),
    ],
)
def test_a_crawl_that_met_trouble_goes_on_behind_its_good_pages(
    installation: Installation, sandbox: RunningSandbox, account: str, fault: str, kept: int
) -> None:
    """Without it, an API that fails now and then would never let a long history come to its end."""
    sandbox.set_fault(account, fault)
    first = installation.crawl([account], plan=FULL)[account]
    assert not first.verdict.is_complete
    assert len(kept_of(installation, account)) == kept
    installation.load()
    assert len(facts_of(installation)) == 3 * SIZE
    again = installation.crawl([account], plan=FULL, run_id="again")[account]
    assert (again.verdict.reason, again.crawl_id) == (first.verdict.reason, first.crawl_id), "trouble goes on"
    installation.load()
    sandbox.clear_faults()
    sandbox.reset_requests()
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert (result.verdict.is_complete, result.crawl_id) == (True, first.crawl_id)
    assert sandbox.requests() == {account: rest_of(sandbox, account, 3)}
    assert result.orders_seen == len(sandbox.world.orders(account))
    installation.load()
    check_facts(installation, sandbox, account)


def test_a_crawl_of_long_ago_is_closed_and_its_pages_count(
    installation: Installation, sandbox: RunningSandbox, account: str, tmp_path: Path
) -> None:
    """Without it, the crawl would go on with cursors and pages that are out of date, or its pages be lost."""
    crawl_and_kill(installation, sandbox, account, 3, tmp_path, asked=4)
    installation.do("update ops.crawls set started_at = started_at - interval '7 hours'")
    sandbox.set_fault(account, "server_error")
    assert installation.crawl([account], plan=FULL, run_id="next")[account].crawl_id == 2
    old, new = crawls_of(installation, account)
    assert (old["status"], old["reason"], old["pages"], old["run_id"]) == ("incomplete", "timeout", 3, "killed")
    assert old["finished_at"] is not None
    assert (new["status"], new["reason"], new["pages"]) == ("failed", "server_error", 0)
    installation.load()
    assert len(facts_of(installation)) == 3 * SIZE
    sandbox.clear_faults()
    assert installation.crawl([account], plan=FULL, run_id="last")[account].verdict.is_complete
    installation.load()
    check_facts(installation, sandbox, account)


def test_a_parked_account_is_left_alone_until_its_time(
    installation: Installation, sandbox: RunningSandbox, account: str
) -> None:
    """Without it, we would ask an API that said not to, or lose our place in the history."""
    sandbox.set_fault(account, "rate_limited:from_page=3:retry_after=7200")
    first = installation.crawl([account], plan=FULL)[account]
    assert first.verdict.resume_at is not None
    installation.load()
    sandbox.clear_faults()
    sandbox.reset_requests()
    for number in range(2):
        again = installation.crawl([account], plan=AUTO, run_id=f"early-{number}")[account]
        assert sandbox.requests() == {}
        assert (again.verdict.status, again.verdict.reason) == (Status.PARKED, Reason.RATE_LIMITED)
        assert again.verdict.resume_at == first.verdict.resume_at
        assert f"before {first.verdict.resume_at:%Y-%m-%d %H:%M} UTC" in again.verdict.words
        (crawl,) = crawls_of(installation, account)
        assert (crawl["run_id"], crawl["pages"], crawl["orders_seen"]) == (f"early-{number}", 3, 3 * SIZE)
        installation.load()
    installation.do("update ops.crawls set resume_at = now() - interval '1 second'")
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert (result.verdict.is_complete, result.verdict.resume_at, result.crawl_id) == (True, None, first.crawl_id)
    assert sandbox.requests() == {account: rest_of(sandbox, account, 3)}
    installation.load()
    check_facts(installation, sandbox, account)


@pytest.mark.parametrize(
    "fault", ["server_error:from_page=2", "bad_envelope:from_page=2", "cursor_missing:from_page=2"]
)
def test_a_look_at_the_head_is_not_deceived_by_what_an_interrupted_one_loaded(
    installation: Installation, sandbox: RunningSandbox, account: str, fault: str
) -> None:
    """Without it, the new orders behind the page where a refresh was interrupted would be missed for a week."""
    world = sandbox.world
    for order in [] if is_ktsp(account) else world.orders(account):  # nothing is open, so nothing leads further down
        world.change_order(account, code_of(order), {"status": "canceled"})
    installation.crawl([account], plan=FULL)
    installation.load()
    for _ in range(6 * SIZE):
        world.add_order(account, status="canceled")
    sandbox.set_fault(account, "page_repeated:from_page=2" if is_ktsp(account) and "cursor" in fault else fault)
    assert not installation.crawl([account], plan=AUTO, run_id="interrupted")[account].verdict.is_complete
    installation.load()
    sandbox.clear_faults()
    for run_id in ("next", "and after"):
        sandbox.reset_requests()
        assert installation.crawl([account], plan=AUTO, run_id=run_id)[account].verdict.is_complete
        installation.load()
    assert sandbox.requests() == {account: 1}, "then a look at the first page is enough again"
    check_facts(installation, sandbox, account)


def test_pages_that_can_no_longer_be_read_cost_one_account(
    installation: Installation, sandbox: RunningSandbox, account: str
) -> None:
    """Without it, one damaged row of the database would end the crawl of thousands of accounts, or lose orders."""
    sandbox.set_fault(account, "server_error:from_page=2")
    installation.crawl([account], plan=FULL)
    sandbox.clear_faults()
    installation.do("update raw.order_pages set body = 'damaged' where page_number = 2")
    results = installation.crawl(plan=FULL, run_id="next")
    assert {result.verdict.reason for result in results.values()} == {Reason.OK}
    assert results[account].orders_seen == len(sandbox.world.orders(account))
    installation.load()
    (crawl,) = crawls_of(installation, account)
    assert (crawl["status"], crawl["reason"]) == ("failed", "bad_envelope"), "its pages could not be loaded"
    installation.crawl([account], plan=FULL, run_id="last")
    installation.load()
    check_facts(installation, sandbox, *sandbox.world.accounts)

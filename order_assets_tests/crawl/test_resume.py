"""Crawls that are killed: nothing that was committed is lost or fetched again, and the facts come out the same."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from order_assets.clients.errors import Reason
from order_assets.clients.pagination import Status
from order_assets.sandbox.faults import Fault, FaultBoard
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
    pages_of,
    rest_of,
)
from order_assets_tests.crawl.parts import Installation

sandbox = interrupted.sandbox
installation = interrupted.installation
account = interrupted.account


@pytest.mark.parametrize("kept", [1, 3, 8])
def test_a_crawl_goes_on_behind_the_pages_of_a_killed_process(
    installation: Installation, sandbox: RunningSandbox, account: str, tmp_path: Path, kept: int
) -> None:
    """Without it, a long history would begin again with every crash, and might never come to its end."""
    crawl_and_kill(installation, sandbox, account, kept, tmp_path, asked=kept + 1)
    (killed,) = crawls_of(installation, account)
    assert kept_of(installation, account) == list(range(1, kept + 1))
    assert (killed["finished_at"], killed["loaded_at"]) == (None, None)
    installation.load()
    assert facts_of(installation) == [], "nothing is loaded of a crawl that may go on"
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert result.verdict.is_complete
    assert result.crawl_id == killed["crawl_id"]
    assert sandbox.requests() == {account: rest_of(sandbox, account, kept)}, "only what was missing"
    orders = len(sandbox.world.orders(account))
    assert (result.orders_seen, result.duplicates) == (orders, 0)
    assert result.pages == kept + rest_of(sandbox, account, kept)
    (crawl,) = crawls_of(installation, account)
    assert (crawl["run_id"], crawl["status"], crawl["orders_seen"]) == ("next", "complete", orders)
    assert kept_of(installation, account) == list(range(1, len(kept_of(installation, account)) + 1))
    installation.load()
    check_facts(installation, sandbox, account)


def test_a_crawl_that_was_killed_before_its_verdict_needs_no_request(
    installation: Installation, sandbox: RunningSandbox, account: str
) -> None:
    """Without it, the last page would be asked for again, or be counted twice."""
    first = installation.crawl([account], plan=FULL)[account]
    installation.do(
        "update ops.crawls set status = 'running', reason = null, finished_at = null, pages = 0, requests = 0"
    )
    sandbox.reset_requests()
    again = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert again.verdict.is_complete
    assert sandbox.requests().get(account, 0) == (pages_of(sandbox, account) if is_ktsp(account) else 0)
    assert (again.crawl_id, again.orders_seen) == (first.crawl_id, first.orders_seen)
    installation.load()
    check_facts(installation, sandbox, account)


def test_a_crawl_that_was_killed_before_its_first_page_begins(
    installation: Installation, sandbox: RunningSandbox, account: str, tmp_path: Path
) -> None:
    """Without it, an empty interrupted crawl would be taken for a history without orders."""
    crawl_and_kill(installation, sandbox, account, 0, tmp_path, asked=1)
    result = installation.crawl([account], plan=FULL)[account]
    assert (result.verdict.is_complete, result.orders_seen) == (True, len(sandbox.world.orders(account)))
    assert len(crawls_of(installation, account)) == 1
    installation.load()
    check_facts(installation, sandbox, account)


def test_a_cursor_that_has_run_out_begins_the_history_again(
    installation: Installation, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """Without it, a crash would cost an account its crawl wherever cursors live shorter than our pauses."""
    account = sandbox.world.stores[0].customers[1].account
    crawl_and_kill(installation, sandbox, account, 3, tmp_path, asked=4)
    sandbox.set_fault(account, "cursor_expired:from_page=3")
    result = installation.crawl([account], plan=FULL)[account]
    assert (result.verdict.is_complete, result.crawl_id) == (True, 1)
    assert sandbox.requests() == {account: 1 + pages_of(sandbox, account)}
    assert (result.orders_seen, result.vanished) == (len(sandbox.world.orders(account)), ())
    installation.load()
    check_facts(installation, sandbox, account)


class Script(FaultBoard):
    """What an account's requests meet, one after another, the last of it for ever."""

    def __init__(self, account: str, *faults: str) -> None:
        """Give an empty text for a sound answer."""
        super().__init__()
        self._account = account
        self._script = [Fault.parse(fault) if fault else None for fault in faults]

    def peek(self, account: str) -> Fault | None:
        """Announce trouble, so that every request is shown to `strike`."""
        return self._script[-1] if account == self._account else None

    def strike(self, account: str, page: int, *, refreshing: bool = False) -> Fault | None:
        """Go on in the script."""
        del page
        if account != self._account or refreshing:
            return None
        return self._script.pop(0) if len(self._script) > 1 else self._script[0]


@pytest.mark.parametrize("loaded", [False, True])
def test_what_came_after_a_cursor_had_run_out_is_not_taken_for_the_first_pass(
    installation: Installation, sandbox: RunningSandbox, tmp_path: Path, *, loaded: bool
) -> None:
    """Without it, a crawl that is interrupted a second time would follow pages of two readings as if they were one."""
    account = sandbox.world.stores[0].customers[1].account
    crawl_and_kill(installation, sandbox, account, 3, tmp_path, asked=4)
    rest = rest_of(sandbox, account, 3)
    sandbox.world.add_order(account)
    sandbox.state.faults = Script(account, "cursor_expired", "", "server_error")
    assert installation.crawl([account], plan=FULL, run_id="again")[account].verdict.reason is Reason.SERVER_ERROR
    assert kept_of(installation, account) == [1, 2, 3, 4], "the first page, as it is now, is kept as well"
    if loaded:
        installation.load()
    sandbox.state.faults = Roadblock({})
    sandbox.reset_requests()
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert (result.verdict.is_complete, result.crawl_id, result.duplicates) == (True, 1, 0)
    assert sandbox.requests() == {account: rest}
    assert result.vanished == (), "the new order is on the page that this crawl has kept"
    installation.load()
    check_facts(installation, sandbox, account)


def test_an_order_that_was_missing_for_a_moment_comes_back(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the page that lists it again would be taken for known, and the order count as deleted for good."""
    account = sandbox.world.members[1].account
    before = sandbox.world.orders(account)
    sandbox.set_fault(account, "order_vanishes:index=7:from_page=3")
    assert len(installation.crawl([account], plan=FULL)[account].vanished) == 1
    installation.load()
    sandbox.world._replace(account, before)
    assert installation.crawl([account], plan=FULL)[account].vanished == ()
    installation.load()
    check_facts(installation, sandbox, account)


def test_a_cursor_that_is_never_accepted_ends_the_crawl_after_one_try(
    installation: Installation, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """Without it, a crawl would go round in circles, or the pages before be lost."""
    account = sandbox.world.stores[0].customers[1].account
    crawl_and_kill(installation, sandbox, account, 3, tmp_path, asked=4)
    sandbox.set_fault(account, "cursor_rejected")
    result = installation.crawl([account], plan=FULL)[account]
    assert (result.verdict.status, result.verdict.reason) == (Status.INCOMPLETE, Reason.CURSOR_REJECTED)
    assert sandbox.requests() == {account: 3}, "the kept cursor, the first page, its cursor"
    installation.load()
    assert len(facts_of(installation)) == 3 * SIZE, "the good pages are loaded"
    sandbox.clear_faults()
    sandbox.state.faults = Roadblock({})
    assert installation.crawl([account], plan=FULL, run_id="next")[account].crawl_id == 2
    installation.load()
    check_facts(installation, sandbox, account)


@pytest.mark.parametrize("change", ["nothing", "an order comes", "an order goes"])
def test_numbered_pages_are_compared_again_after_a_kill_in_their_second_pass(
    installation: Installation, sandbox: RunningSandbox, tmp_path: Path, change: str
) -> None:
    """Without it, orders that moved between the pages while nobody looked would be lost or kept for ever."""
    account = sandbox.world.members[1].account
    pages = pages_of(sandbox, account)
    crawl_and_kill(installation, sandbox, account, pages, tmp_path, asked=pages + 3)
    if change == "an order comes":
        sandbox.world.add_order(account)
    if change == "an order goes":
        sandbox.world.delete_order(account, code_of(sandbox.world.orders(account)[7]))
    result = installation.crawl([account], plan=FULL)[account]
    assert (result.verdict.is_complete, result.crawl_id) == (True, 1)
    assert sandbox.requests()[account] in {pages_of(sandbox, account), 2 * pages_of(sandbox, account)}
    installation.load()
    if change == "an order goes":
        assert [row["is_deleted_at_source"] for row in facts_of(installation) if not row["is_listed"]] == [True]
    else:
        check_facts(installation, sandbox, account)


def _count_pages(installation: Installation) -> int:
    return int(installation.rows("select count(*) as n from raw.order_pages")[0]["n"])


def _is_far_enough(installation: Installation, goal: int, process: CrawlingProcess) -> bool:
    return process.is_over or _count_pages(installation) >= goal


def test_a_crawl_killed_in_many_places_comes_to_the_same_facts(
    installation: Installation, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """Without it, some moment at which a process may die would lose an order, or double it."""
    rng = random.Random(20)  # noqa: S311 - the same moments every time, as far as the machine allows
    url = installation.engine.url.render_as_string(hide_password=False)
    accounts = accounts_file(sandbox, page_size=SIZE, requests_per_second=60.0)  # slow enough to be caught
    keys = sandbox.world.accounts
    killed = 0
    for number in range(10):
        source: Any = ("scalev", "ktsp")[number % 2]
        mine = [key for key in keys if is_ktsp(key) is (source == "ktsp")]
        goal = _count_pages(installation) + rng.randint(0, 12)
        with CrawlingProcess(url, accounts, tmp_path, f"round-{number}", source, mine) as process:
            process.go()
            until(partial(_is_far_enough, installation, goal, process), "pages come in, or the process ends")
            killed += not process.is_over
            process.kill()
        if number % 3 == 2:
            installation.load(f"round-{number}")
    assert killed >= 6, "the rounds did interrupt"
    results = installation.crawl(plan=FULL, run_id="last")
    assert {result.verdict.reason for result in results.values()} == {Reason.OK}
    installation.load()
    check_facts(installation, sandbox, *keys)

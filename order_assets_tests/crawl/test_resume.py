"""Crawls that are interrupted: nothing that was committed is lost or fetched again, and the facts come out the same."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.clients.errors import Reason
from order_assets.clients.pagination import Status
from order_assets.crawl.account_crawl import Plan
from order_assets.sandbox.faults import Fault, FaultBoard
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets_tests.crawl.crawling_process import CrawlingProcess, Roadblock, accounts_file, until
from order_assets_tests.crawl.parts import AUTO, Installation

SIZE = 5  # orders per page
FULL = Plan(mode="full")  # waits until the server has noticed that a process was killed
SPEC = WorldSpec(seed=61, stores=1, customers_per_store=5, members=5, orders_per_account=24)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Serve a world of some long histories, with a little latency, so that a kill finds something to interrupt."""
    with serve(SPEC, Options(latency_ms=5)) as running:
        yield running


@pytest.fixture
def installation(engine: sa.Engine, sandbox: RunningSandbox) -> Installation:
    """Configure everyone, with small pages."""
    return Installation.of(engine, sandbox, page_size=SIZE, ktsp_page_size=SIZE)


@pytest.fixture(params=["scalev", "ktsp"])
def account(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> str:
    """An account of many pages."""
    world = sandbox.world
    return world.stores[0].customers[1].account if request.param == "scalev" else world.members[1].account


def _is_ktsp(account: str) -> bool:
    return account.startswith("ktsp/")


def _pages(sandbox: RunningSandbox, account: str) -> int:
    """Return how many pages an uninterrupted pass takes."""
    orders = len(sandbox.world.orders(account))
    assert orders > 8 * SIZE
    # A full last page of numbered pages is followed by an empty one.
    return orders // SIZE + 1 if _is_ktsp(account) else -(-orders // SIZE)


def _rest(sandbox: RunningSandbox, account: str, kept: int) -> int:
    """Return how many requests are missing behind so many pages; numbered pages are read once more from the first."""
    pages = _pages(sandbox, account)
    return 2 * pages - kept if _is_ktsp(account) else pages - kept


def _crawls(installation: Installation, account: str) -> list[Mapping[str, Any]]:
    return installation.rows("select * from ops.crawls where partition_key = :key order by crawl_id", key=account)


def _kept(installation: Installation, account: str) -> list[int]:
    """Return the numbers of the pages that are kept, over all crawls of the account."""
    query = (
        "select page_number from raw.order_pages inner join ops.crawls using (crawl_id)"
        " where partition_key = :key order by crawl_id, page_number"
    )
    return [row["page_number"] for row in installation.rows(query, key=account)]


def _crawl_and_kill(
    installation: Installation, sandbox: RunningSandbox, account: str, pages: int, folder: Path, *, asked: int
) -> None:
    """Let a process crawl an account until so many pages are committed and so many requests sent, and kill it."""
    sandbox.state.faults = Roadblock({account: asked - 1})
    url = installation.engine.url.render_as_string(hide_password=False)
    accounts = accounts_file(sandbox, page_size=SIZE)
    source: Any = "ktsp" if _is_ktsp(account) else "scalev"
    with CrawlingProcess(url, accounts, folder, "killed", source, [account]) as process:
        process.go()
        until(lambda: sandbox.requests().get(account) == asked, "it waits at the roadblock")
        until(lambda: len(_kept(installation, account)) == pages, "what it fetched is committed")
        process.kill()
    assert [crawl["status"] for crawl in _crawls(installation, account)] == ["running"]
    sandbox.state.faults = Roadblock({})
    sandbox.reset_requests()


def _code(order: Mapping[str, Any]) -> str:
    return str(order.get("order_id") or order["orderCode"])


def _facts(installation: Installation) -> list[Mapping[str, Any]]:
    """Return what the facts say of every order, apart from when and by which run they learnt it."""
    passing = ("run_id", "first_seen_at", "last_seen_at", "last_changed_at")
    rows = installation.rows(
        "select l.partition_key, l.is_open, l.is_listed, f.* from marts.order_facts as f"
        " inner join ops.order_lineage as l using (order_key) order by order_key"
    )
    return [{name: value for name, value in row.items() if name not in passing} for row in rows]


def _check_facts(installation: Installation, sandbox: RunningSandbox, *accounts: str) -> None:
    """The facts are those of the source, and those of a crawl that nobody interrupted; no crawl is left open."""
    facts = _facts(installation)
    assert sorted((row["partition_key"], row["source_order_id"]) for row in facts) == sorted(
        (account, _code(order)) for account in accounts for order in sandbox.world.orders(account)
    )
    assert [row for row in facts if not row["is_listed"]] == []
    assert (
        installation.rows("select * from ops.crawls where status = 'running' or loaded_at is null and pages > 0") == []
    )
    installation.do("truncate ops.accounts cascade")
    installation.do("truncate marts.order_facts cascade")
    installation.sync()
    results = installation.crawl(accounts, run_id="undisturbed")
    assert {result.verdict.reason for result in results.values()} == {Reason.OK}
    installation.load()
    assert _facts(installation) == facts


# Killed


@pytest.mark.parametrize("kept", [1, 3, 8])
def test_a_crawl_goes_on_behind_the_pages_of_a_killed_process(
    installation: Installation, sandbox: RunningSandbox, account: str, tmp_path: Path, kept: int
) -> None:
    """Without it, a long history would begin again with every crash, and might never come to its end."""
    _crawl_and_kill(installation, sandbox, account, kept, tmp_path, asked=kept + 1)
    (killed,) = _crawls(installation, account)
    assert _kept(installation, account) == list(range(1, kept + 1))
    assert (killed["finished_at"], killed["loaded_at"]) == (None, None)
    installation.load()
    assert _facts(installation) == [], "nothing is loaded of a crawl that may go on"
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert result.verdict.is_complete
    assert result.crawl_id == killed["crawl_id"]
    assert sandbox.requests() == {account: _rest(sandbox, account, kept)}, "only what was missing"
    orders = len(sandbox.world.orders(account))
    assert (result.orders_seen, result.duplicates) == (orders, 0)
    assert result.pages == kept + _rest(sandbox, account, kept)
    (crawl,) = _crawls(installation, account)
    assert (crawl["run_id"], crawl["status"], crawl["orders_seen"]) == ("next", "complete", orders)
    assert _kept(installation, account) == list(range(1, len(_kept(installation, account)) + 1))
    installation.load()
    _check_facts(installation, sandbox, account)


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
    assert sandbox.requests().get(account, 0) == (_pages(sandbox, account) if _is_ktsp(account) else 0)
    assert (again.crawl_id, again.orders_seen) == (first.crawl_id, first.orders_seen)
    installation.load()
    _check_facts(installation, sandbox, account)


def test_a_crawl_that_was_killed_before_its_first_page_begins(
    installation: Installation, sandbox: RunningSandbox, account: str, tmp_path: Path
) -> None:
    """Without it, an empty interrupted crawl would be taken for a history without orders."""
    _crawl_and_kill(installation, sandbox, account, 0, tmp_path, asked=1)
    result = installation.crawl([account], plan=FULL)[account]
    assert (result.verdict.is_complete, result.orders_seen) == (True, len(sandbox.world.orders(account)))
    assert len(_crawls(installation, account)) == 1
    installation.load()
    _check_facts(installation, sandbox, account)


def test_a_cursor_that_has_run_out_begins_the_history_again(
    installation: Installation, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """Without it, a crash would cost an account its crawl wherever cursors live shorter than our pauses."""
    account = sandbox.world.stores[0].customers[1].account
    _crawl_and_kill(installation, sandbox, account, 3, tmp_path, asked=4)
    sandbox.set_fault(account, "cursor_expired:from_page=3")
    result = installation.crawl([account], plan=FULL)[account]
    assert (result.verdict.is_complete, result.crawl_id) == (True, 1)
    assert sandbox.requests() == {account: 1 + _pages(sandbox, account)}
    assert (result.orders_seen, result.vanished) == (len(sandbox.world.orders(account)), ())
    installation.load()
    _check_facts(installation, sandbox, account)


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
    _crawl_and_kill(installation, sandbox, account, 3, tmp_path, asked=4)
    rest = _rest(sandbox, account, 3)
    sandbox.world.add_order(account)
    sandbox.state.faults = Script(account, "cursor_expired", "", "server_error")
    assert installation.crawl([account], plan=FULL, run_id="again")[account].verdict.reason is Reason.SERVER_ERROR
    assert _kept(installation, account) == [1, 2, 3, 4], "the first page, as it is now, is kept as well"
    if loaded:
        installation.load()
    sandbox.state.faults = Roadblock({})
    sandbox.reset_requests()
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert (result.verdict.is_complete, result.crawl_id, result.duplicates) == (True, 1, 0)
    assert sandbox.requests() == {account: rest}
    assert result.vanished == (), "the new order is on the page that this crawl has kept"
    installation.load()
    _check_facts(installation, sandbox, account)


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
    _check_facts(installation, sandbox, account)


def test_a_cursor_that_is_never_accepted_ends_the_crawl_after_one_try(
    installation: Installation, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """Without it, a crawl would go round in circles, or the pages before be lost."""
    account = sandbox.world.stores[0].customers[1].account
    _crawl_and_kill(installation, sandbox, account, 3, tmp_path, asked=4)
    sandbox.set_fault(account, "cursor_rejected")
    result = installation.crawl([account], plan=FULL)[account]
    assert (result.verdict.status, result.verdict.reason) == (Status.INCOMPLETE, Reason.CURSOR_REJECTED)
    assert sandbox.requests() == {account: 3}, "the kept cursor, the first page, its cursor"
    installation.load()
    assert len(_facts(installation)) == 3 * SIZE, "the good pages are loaded"
    sandbox.clear_faults()
    sandbox.state.faults = Roadblock({})
    assert installation.crawl([account], plan=FULL, run_id="next")[account].crawl_id == 2
    installation.load()
    _check_facts(installation, sandbox, account)


@pytest.mark.parametrize("change", ["nothing", "an order comes", "an order goes"])
def test_numbered_pages_are_compared_again_after_a_kill_in_their_second_pass(
    installation: Installation, sandbox: RunningSandbox, tmp_path: Path, change: str
) -> None:
    """Without it, orders that moved between the pages while nobody looked would be lost or kept for ever."""
    account = sandbox.world.members[1].account
    pages = _pages(sandbox, account)
    _crawl_and_kill(installation, sandbox, account, pages, tmp_path, asked=pages + 3)
    if change == "an order comes":
        sandbox.world.add_order(account)
    if change == "an order goes":
        sandbox.world.delete_order(account, _code(sandbox.world.orders(account)[7]))
    result = installation.crawl([account], plan=FULL)[account]
    assert (result.verdict.is_complete, result.crawl_id) == (True, 1)
    assert sandbox.requests()[account] in {_pages(sandbox, account), 2 * _pages(sandbox, account)}
    installation.load()
    if change == "an order goes":
        assert [row["is_deleted_at_source"] for row in _facts(installation) if not row["is_listed"]] == [True]
    else:
        _check_facts(installation, sandbox, account)


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
        mine = [key for key in keys if _is_ktsp(key) is (source == "ktsp")]
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
    _check_facts(installation, sandbox, *keys)


# Stopped


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_crawl_that_is_stopped_says_so_and_goes_on_later(
    installation: Installation, sandbox: RunningSandbox, account: str, tmp_path: Path, how: signal.Signals
) -> None:
    """Without it, Ctrl-C would leave crawls that look as if they still ran, or cost what was fetched."""
    sandbox.state.faults = Roadblock({account: 3})
    url = installation.engine.url.render_as_string(hide_password=False)
    source: Any = "ktsp" if _is_ktsp(account) else "scalev"
    with CrawlingProcess(
        url, accounts_file(sandbox, page_size=SIZE), tmp_path, "stopped", source, [account]
    ) as process:
        process.go()
        until(lambda: sandbox.requests().get(account) == 4, "it waits at the roadblock")
        process.stop(how)
        assert process.results() == {}
    (crawl,) = _crawls(installation, account)
    assert (crawl["status"], crawl["reason"], crawl["pages"]) == ("incomplete", "timeout", 3)
    assert crawl["orders_seen"] == 3 * SIZE
    assert "interrupted" in crawl["reason_words"]
    installation.load()
    assert len(_facts(installation)) == 3 * SIZE, "its pages count meanwhile"
    sandbox.state.faults = Roadblock({})
    sandbox.reset_requests()
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert (result.verdict.is_complete, result.crawl_id) == (True, crawl["crawl_id"])
    assert sandbox.requests() == {account: _rest(sandbox, account, 3)}
    installation.load()
    _check_facts(installation, sandbox, account)


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
    assert len(_kept(installation, account)) == kept
    installation.load()
    assert len(_facts(installation)) == 3 * SIZE
    again = installation.crawl([account], plan=FULL, run_id="again")[account]
    assert (again.verdict.reason, again.crawl_id) == (first.verdict.reason, first.crawl_id), "trouble goes on"
    installation.load()
    sandbox.clear_faults()
    sandbox.reset_requests()
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert (result.verdict.is_complete, result.crawl_id) == (True, first.crawl_id)
    assert sandbox.requests() == {account: _rest(sandbox, account, 3)}
    assert result.orders_seen == len(sandbox.world.orders(account))
    installation.load()
    _check_facts(installation, sandbox, account)


def test_a_crawl_of_long_ago_is_closed_and_its_pages_count(
    installation: Installation, sandbox: RunningSandbox, account: str, tmp_path: Path
) -> None:
    """Without it, the crawl would go on with cursors and pages that are out of date, or its pages be lost."""
    _crawl_and_kill(installation, sandbox, account, 3, tmp_path, asked=4)
    installation.do("update ops.crawls set started_at = started_at - interval '7 hours'")
    sandbox.set_fault(account, "server_error")
    assert installation.crawl([account], plan=FULL, run_id="next")[account].crawl_id == 2
    old, new = _crawls(installation, account)
    assert (old["status"], old["reason"], old["pages"], old["run_id"]) == ("incomplete", "timeout", 3, "killed")
    assert old["finished_at"] is not None
    assert (new["status"], new["reason"], new["pages"]) == ("failed", "server_error", 0)
    installation.load()
    assert len(_facts(installation)) == 3 * SIZE
    sandbox.clear_faults()
    assert installation.crawl([account], plan=FULL, run_id="last")[account].verdict.is_complete
    installation.load()
    _check_facts(installation, sandbox, account)


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
        (crawl,) = _crawls(installation, account)
        assert (crawl["run_id"], crawl["pages"], crawl["orders_seen"]) == (f"early-{number}", 3, 3 * SIZE)
        installation.load()
    installation.do("update ops.crawls set resume_at = now() - interval '1 second'")
    result = installation.crawl([account], plan=FULL, run_id="next")[account]
    assert (result.verdict.is_complete, result.verdict.resume_at, result.crawl_id) == (True, None, first.crawl_id)
    assert sandbox.requests() == {account: _rest(sandbox, account, 3)}
    installation.load()
    _check_facts(installation, sandbox, account)


@pytest.mark.parametrize(
    "fault", ["server_error:from_page=2", "bad_envelope:from_page=2", "cursor_missing:from_page=2"]
)
def test_a_look_at_the_head_is_not_deceived_by_what_an_interrupted_one_loaded(
    installation: Installation, sandbox: RunningSandbox, account: str, fault: str
) -> None:
    """Without it, the new orders behind the page where a refresh was interrupted would be missed for a week."""
    world = sandbox.world
    for order in [] if _is_ktsp(account) else world.orders(account):  # nothing is open, so nothing leads further down
        world.change_order(account, _code(order), {"status": "canceled"})
    installation.crawl([account], plan=FULL)
    installation.load()
    for _ in range(6 * SIZE):
        world.add_order(account, status="canceled")
    sandbox.set_fault(account, "page_repeated:from_page=2" if _is_ktsp(account) and "cursor" in fault else fault)
    assert not installation.crawl([account], plan=AUTO, run_id="interrupted")[account].verdict.is_complete
    installation.load()
    sandbox.clear_faults()
    for run_id in ("next", "and after"):
        sandbox.reset_requests()
        assert installation.crawl([account], plan=AUTO, run_id=run_id)[account].verdict.is_complete
        installation.load()
    assert sandbox.requests() == {account: 1}, "then a look at the first page is enough again"
    _check_facts(installation, sandbox, account)


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
    (crawl,) = _crawls(installation, account)
    assert (crawl["status"], crawl["reason"]) == ("failed", "bad_envelope"), "its pages could not be loaded"
    installation.crawl([account], plan=FULL, run_id="last")
    installation.load()
    _check_facts(installation, sandbox, *sandbox.world.accounts)

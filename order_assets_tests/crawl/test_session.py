"""Who crawls an account: one process at a time, and nobody any more once that process is gone, however it went."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from order_assets.clients.errors import Reason
from order_assets.clients.pagination import Status, Verdict
from order_assets.crawl.account_crawl import Plan
from order_assets.crawl.ledger import CrawlResult, KeptPage, Ledger
from order_assets.crawl.session import Session
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets.settings import Account
from order_assets.warehouse.engine import connect
from order_assets_tests.crawl.crawling_process import CrawlingProcess, Roadblock, accounts_file, until
from order_assets_tests.crawl.parts import AUTO, FULL, Installation

SPEC = WorldSpec(seed=41, stores=1, customers_per_store=4, members=4, orders_per_account=20)
PATIENT = Plan(mode="full")
LATE = timedelta(days=14)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Serve a world of a few long histories."""
    with serve(SPEC) as running:
        yield running


@pytest.fixture
def installation(engine: sa.Engine, sandbox: RunningSandbox) -> Installation:
    """Configure everyone, with small pages."""
    return Installation.of(engine, sandbox, page_size=5, ktsp_page_size=5)


@pytest.fixture(params=["scalev", "ktsp"])
def account(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> str:
    """An account of many pages."""
    world = sandbox.world
    key = world.stores[0].customers[1].account if request.param == "scalev" else world.members[1].account
    assert len(world.orders(key)) > 20
    return key


def _locks(engine: sa.Engine) -> int:
    """Return how many advisory locks there are in the database."""
    query = sa.text(
        "select count(*) from pg_locks where locktype = 'advisory'"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def _check_facts(installation: Installation, sandbox: RunningSandbox, accounts: Sequence[str]) -> None:
    """Each order of the accounts is in the facts, once, and no crawl is left open."""
    found = installation.rows(
        "select partition_key, source_order_id from marts.order_facts inner join ops.order_lineage using (order_key)"
    )
    assert sorted((row["partition_key"], row["source_order_id"]) for row in found) == sorted(
        (account, str(order.get("order_id") or order["orderCode"]))
        for account in accounts
        for order in sandbox.world.orders(account)
    )
    assert (
        installation.rows("select * from ops.crawls where status = 'running' or loaded_at is null and pages > 0") == []
    )


def _system(account: str) -> str:
    return "ktsp" if account.startswith("ktsp/") else "scalev"


# Locks


def test_an_account_belongs_to_one_session_at_a_time(engine: sa.Engine) -> None:
    """Without it, two runs would write pages of one account under the same numbers."""
    with Session(engine) as first, Session(engine) as second:
        assert first.session_id != second.session_id
        assert first.hold("scalev", ["store/a", "store/b"]) == {"store/a", "store/b"}
        assert second.hold("scalev", ["store/a", "store/c"]) == {"store/c"}
        assert second.hold("ktsp", ["store/a"]) == {"store/a"}, "another API, another account"
        first.let_go("scalev", ["store/a"])
        assert second.hold("scalev", ["store/a", "store/b"]) == {"store/a"}
        assert first.hold("scalev", ["store/a"]) == set()
        assert first.hold("scalev", []) == set()


def test_a_session_takes_turns_among_threads(engine: sa.Engine) -> None:
    """Without it, hundreds of accounts would meet on one database connection at once."""
    keys = [f"store/{number}" for number in range(200)]
    with Session(engine) as session, Session(engine) as other, ThreadPoolExecutor(16) as threads:
        assert all(threads.map(lambda key: session.hold("scalev", [key]), keys))
        assert not any(threads.map(lambda key: other.hold("scalev", [key]), keys))
        list(threads.map(lambda key: session.let_go("scalev", [key]), keys))
        assert all(threads.map(lambda key: other.hold("scalev", [key]), keys))


def test_the_end_of_a_session_ends_its_locks(engine: sa.Engine) -> None:
    """Without it, the locks would live on in the connection pool, and nobody could crawl the accounts again."""
    with Session(engine) as session:
        assert session.hold("scalev", ["store/a"])
        assert _locks(engine) == 2, "the account, and that the session lives"
    until(lambda: _locks(engine) == 0, "the server ends the locks")
    with Session(engine) as session:
        assert session.hold("scalev", ["store/a"])


def test_an_error_ends_a_session_as_well(engine: sa.Engine) -> None:
    """Without it, a crawl that fails would lock its accounts for as long as its process lives."""
    with pytest.raises(ZeroDivisionError), Session(engine) as session:
        assert len(session.hold("scalev", ["store/a"])) / 0
    until(lambda: _locks(engine) == 0, "the server ends the locks")


def test_a_session_whose_connection_is_cut_ends_quietly(engine: sa.Engine) -> None:
    """Without it, the error of a restarted server would be hidden by another one while the crawl is closed."""
    with Session(engine) as session:
        session.hold("scalev", ["store/a"])
        with engine.connect() as connection:
            cut = sa.text(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = 7205103"
            )
            assert list(connection.execute(cut).scalars()) == [True]
    until(lambda: _locks(engine) == 0, "the server ends the locks")
    with Session(engine) as session:
        assert session.hold("scalev", ["store/a"])


def test_the_locks_of_a_killed_process_are_free(
    installation: Installation, sandbox: RunningSandbox, account: str, database_url: str, tmp_path: Path
) -> None:
    """Without it, the accounts of a crash would wait for somebody who knows how to free them."""
    system: Any = _system(account)
    sandbox.state.faults = Roadblock({account: 0})
    with (
        CrawlingProcess(database_url, accounts_file(sandbox), tmp_path, "run", system, [account]) as process,
        Session(installation.engine) as session,
    ):
        process.go()
        until(lambda: sandbox.requests().get(account), "it asks for the first page")
        assert not session.hold(system, [account])
        process.kill()
        until(lambda: session.hold(system, [account]), "the account is free")


# One account, two crawls


def test_an_account_that_another_run_is_crawling_is_left_to_it(
    installation: Installation, sandbox: RunningSandbox, account: str, database_url: str, tmp_path: Path
) -> None:
    """Without it, the second of two runs would fetch everything again, or spoil what the first writes."""
    system: Any = _system(account)
    sandbox.state.faults = Roadblock({account: 2})
    other = next(key for key in sandbox.world.accounts if key.startswith("ktsp/") == account.startswith("ktsp/"))
    accounts = accounts_file(sandbox, page_size=5)
    with CrawlingProcess(database_url, accounts, tmp_path, "first", system, [account]) as process:
        process.go()
        until(lambda: sandbox.requests().get(account) == 3, "it waits for the third page")
        results = installation.crawl([account, other], plan=FULL, run_id="second")
        assert results[other].verdict.is_complete
        verdict = results[account].verdict
        assert (verdict.status, verdict.reason, verdict.resume_at) == (Status.PARKED, Reason.TIMEOUT, None)
        assert "another run" in verdict.words
        assert results[account].requests == 0
        assert sandbox.requests()[account] == 3
        states = installation.rows("select run_id, status from ops.crawls where partition_key = :key", key=account)
        assert {row["run_id"]: row["status"] for row in states} == {"first": "running", "second": "parked"}
    sandbox.clear_faults()
    sandbox.state.faults = Roadblock({})
    again = installation.crawl([account], plan=PATIENT, run_id="third")[account]
    assert again.verdict.is_complete
    first = installation.rows("select min(crawl_id) as id from ops.crawls where partition_key = :key", key=account)
    assert again.crawl_id == first[0]["id"], "what the second run noted does not stand in the way"
    installation.load()
    _check_facts(installation, sandbox, [account, other])


def test_two_crawls_at_once_come_to_the_same_facts(
    installation: Installation, sandbox: RunningSandbox, database_url: str, tmp_path: Path
) -> None:
    """Without it, a schedule and a person who both start a refresh would double or lose orders."""
    accounts = accounts_file(sandbox, page_size=5)
    keys = [key for key in sandbox.world.accounts if not key.startswith("ktsp/")]
    members = [key for key in sandbox.world.accounts if key.startswith("ktsp/")]
    with (
        CrawlingProcess(database_url, accounts, tmp_path, "one", "scalev", keys) as one,
        CrawlingProcess(database_url, accounts, tmp_path, "two", "scalev", keys[::-1]) as two,
        CrawlingProcess(database_url, accounts, tmp_path, "three", "ktsp", members) as three,
        CrawlingProcess(database_url, accounts, tmp_path, "four", "ktsp", members) as four,
    ):
        for process in (one, two, three, four):
            process.go()
        for process in (one, two):
            assert process.results() == dict.fromkeys(keys, ("complete", "ok"))
        for process in (three, four):
            assert process.results() == dict.fromkeys(members, ("complete", "ok"))
    installation.load()
    _check_facts(installation, sandbox, sandbox.world.accounts)


def test_two_threads_may_crawl_and_load_at_once(
    installation: Installation, sandbox: RunningSandbox, database_url: str
) -> None:
    """Without it, only processes, but not the runs within one, would keep out of each other's way."""

    def crawl(number: int) -> dict[str, CrawlResult]:
        engine = connect(database_url)
        try:
            mine = Installation(engine, installation.settings, page_size=5, ktsp_page_size=5)
            results = mine.crawl(plan=PATIENT, run_id=f"run-{number}")
            mine.load(f"run-{number}")
        finally:
            engine.dispose()
        return results

    with ThreadPoolExecutor(3) as threads:
        for results in threads.map(crawl, range(3)):
            assert {result.verdict.reason for result in results.values()} == {Reason.OK}
    _check_facts(installation, sandbox, sandbox.world.accounts)


def _account(key: str) -> Account:
    system: Any = _system(key)
    source_account, _, name = key.partition("/")
    return Account(system, source_account, name, "UTC", "IDR")


def _note_busy(installation: Installation, account: str) -> None:
    """Let another run come by while this session has the account."""
    with Session(installation.engine) as session:
        assert session.hold(_system(account), [account])
        assert installation.crawl([account], plan=AUTO, run_id="busy")[account].requests == 0


def test_a_run_that_came_by_does_not_end_the_parking(
    installation: Installation, sandbox: RunningSandbox, account: str
) -> None:
    """Without it, an account would be asked for again before the time that the API named."""
    sandbox.set_fault(account, "rate_limited:from_page=2:retry_after=3600")
    parked = installation.crawl([account])[account]
    assert parked.verdict.resume_at is not None
    _note_busy(installation, account)
    sandbox.reset_requests()
    again = installation.crawl([account], run_id="run-2")[account]
    assert sandbox.requests() == {}
    assert (again.crawl_id, again.verdict.resume_at) == (parked.crawl_id, parked.verdict.resume_at)


def test_a_run_that_came_by_does_not_cost_the_pages_that_are_kept(
    installation: Installation, sandbox: RunningSandbox, account: str
) -> None:
    """Without it, a long history that was interrupted would begin again from its first page."""
    sandbox.set_fault(account, "server_error:from_page=2")
    first = installation.crawl([account])[account]
    _note_busy(installation, account)
    sandbox.clear_faults()
    again = installation.crawl([account], run_id="run-2")[account]
    assert (again.crawl_id, again.verdict.is_complete) == (first.crawl_id, True)


def test_what_a_run_notes_that_came_by_is_never_an_open_crawl(installation: Installation, account: str) -> None:
    """Without it, a process killed at that moment would leave a crawl that nobody ever closes."""
    ledger = Ledger(installation.engine, installation.vault, "busy")
    ledger.note_busy(_account(account), late=LATE, now=datetime.now(UTC))
    row = installation.rows("select status, reason, pages from ops.crawls")[0]
    assert dict(row) == {"status": "parked", "reason": "timeout", "pages": 0}


# The end of a run


def test_a_run_closes_only_what_it_began_itself(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a step that fails would close the crawls of another step of its run, and their last pages be lost."""
    ours, theirs = (
        Ledger(installation.engine, installation.vault, "the same run"),
        Ledger(installation.engine, installation.vault, "the same run"),
    )
    accounts = [_account(key) for key in sandbox.world.accounts[:2]]
    for ledger, account in zip((ours, theirs), accounts, strict=True):
        ledger.begin([account], late=LATE, now=datetime.now(UTC))
    ours.close_interrupted()
    states = installation.rows("select status from ops.crawls order by crawl_id")
    assert [row["status"] for row in states] == ["incomplete", "running"]


def test_a_run_leaves_a_crawl_alone_that_another_one_took_over(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a run that lost its locks would close what another run is writing."""
    account = _account(sandbox.world.accounts[0])
    ours = Ledger(installation.engine, installation.vault, "ours")
    theirs = Ledger(installation.engine, installation.vault, "theirs")
    began = [ledger.begin([account], late=LATE, now=datetime.now(UTC)) for ledger in (ours, theirs)]
    assert {begun[account.partition_key].crawl_id for begun in began} == {1}
    ours.close_interrupted()
    assert [row["status"] for row in installation.rows("select status from ops.crawls")] == ["running"]


class SlowLedger(Ledger):
    """Writes only when told to."""

    def __init__(self, *of: Any) -> None:
        """Wait for the first word."""
        super().__init__(*of)
        self.waits, self.may_write = threading.Event(), threading.Event()
        self.made.append(self)

    made: ClassVar[list[SlowLedger]] = []

    def _write(self, pages: Sequence[tuple[Account, int, KeptPage]], results: Sequence[CrawlResult]) -> None:
        self.waits.set()
        assert self.may_write.wait(60)
        super()._write(pages, results)


def test_a_run_that_is_stopped_keeps_its_accounts_until_its_pages_are_written(
    installation: Installation, sandbox: RunningSandbox, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, the next run would go on behind the wrong page, and both write pages of the same number."""
    monkeypatch.setattr("order_assets_tests.crawl.parts.Ledger", SlowLedger)
    sandbox.state.faults = Roadblock({account: 2})

    async def stopped(session: Session, other: Session) -> None:
        crawl = asyncio.create_task(installation._crawl([account], 8, "run-1", session, FULL))
        await asyncio.to_thread(until, lambda: sandbox.requests().get(account) == 3, "two pages came")
        ledger = SlowLedger.made[-1]
        assert await asyncio.to_thread(ledger.waits.wait, 60)
        crawl.cancel()
        for _ in range(50):  # whatever it does first, it does
            await asyncio.sleep(0.001)
        assert not await asyncio.to_thread(other.hold, _system(account), [account])
        ledger.may_write.set()
        with pytest.raises(asyncio.CancelledError):
            await crawl

    with Session(installation.engine) as other:
        with Session(installation.engine) as session:
            asyncio.run(stopped(session, other))
        assert installation.rows("select count(*) as n from raw.order_pages") == [{"n": 2}]
        until(lambda: other.hold(_system(account), [account]), "the end of the run frees the account")


class BrokenLedger(SlowLedger):
    """Fails to write, when told to."""

    def _write(self, pages: Sequence[tuple[Account, int, KeptPage]], results: Sequence[CrawlResult]) -> None:
        del pages, results
        self.waits.set()
        assert self.may_write.wait(60)
        raise OSError("the disk is full")


def test_an_error_of_the_database_reaches_everyone_who_waits(installation: Installation, account: str) -> None:
    """Without it, a run whose first waiting account is canceled would hang when the database fails."""
    verdict = Verdict(Status.FAILED, Reason.TIMEOUT, "")
    result = CrawlResult(1, _account(account), verdict, 0, 0, 0, 0, 0, 0.0)

    async def test() -> None:
        async with BrokenLedger(installation.engine, installation.vault, "run-1") as ledger:
            waiting = [asyncio.create_task(ledger.finish(result)) for _ in range(3)]
            assert await asyncio.to_thread(ledger.waits.wait, 60)
            waiting[0].cancel()
            await asyncio.sleep(0)
            ledger.may_write.set()
            done, pending = await asyncio.wait(waiting, timeout=60)
            assert pending == set()
            assert [task.cancelled() or type(task.exception()) for task in waiting] == [True, OSError, OSError]
            with pytest.raises(OSError, match="disk"):
                await ledger.finish(result)
            assert len(done) == 3

    asyncio.run(test())

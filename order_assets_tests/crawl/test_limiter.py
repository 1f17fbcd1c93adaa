"""Politeness over processes: places and pace shared, limits of the API heeded, nobody starved, no place lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from order_assets import settings as configuration
from order_assets.clients.errors import RateLimitedError, Reason
from order_assets.clients.http import RawPage, requests_sent
from order_assets.clients.pagination import Status
from order_assets.crawl.ledger import CrawlResult
from order_assets.crawl.limiter import SharedGate
from order_assets.crawl.run import crawl_accounts
from order_assets.crawl.session import Session
from order_assets.sandbox import state as sandbox_state
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets.settings import SourceSystem
from order_assets_tests.crawl.crawling_process import CrawlingProcess, Roadblock, accounts_file, until
from order_assets_tests.crawl.parts import Installation

HOST = "api.example"
LONG = 120.0  # far more than anything here takes, on any machine
SPEC = WorldSpec(seed=31, stores=1, customers_per_store=12, members=12, orders_per_account=12)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Serve a small world by the real clock, since the limiter waits by it; every answer takes a moment."""
    with serve(SPEC, Options(latency_ms=10)) as running:
        yield running


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """This process, as the others see it."""
    with Session(engine) as made:
        yield made


def _gate(
    engine: sa.Engine, session: Session, *, limit: int = 1, rate: float = 1000.0, patience: float = 60.0
) -> SharedGate:
    return SharedGate(engine, session, HOST, max_in_flight=limit, requests_per_second=rate, patience_seconds=patience)


def _answer(status: int = 200, **headers: str) -> RawPage:
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return RawPage(status, named, "identity", b"", b"", datetime.now(UTC))


def _in_seconds(seconds: float) -> str:
    return str(datetime.now(UTC).timestamp() + seconds)


def _seconds_ahead(engine: sa.Engine, column: str) -> float | None:
    """Return how far in the future an instant of the host's pace is; None if it is not set."""
    query = sa.text(f"select extract(epoch from {column} - clock_timestamp())::float8 from ops.api_pace")  # noqa: S608
    with engine.connect() as connection:
        return connection.execute(query).scalar_one_or_none()


def _places(engine: sa.Engine) -> list[int]:
    """Return the places that sessions have taken, in the order in which they came."""
    with engine.connect() as connection:
        return list(connection.execute(sa.text("select places from ops.api_leases order by session_id")).scalars())


def _refuse(gate: SharedGate, accounts: int, **headers: str) -> None:
    """Let so many accounts be refused, one after another."""
    for _ in range(accounts):
        requests_sent.set(Counter())  # as the crawl does for each account
        gate.heed(_answer(429, **headers))


class Visitors:
    """Accounts that pass gates; counts who is inside, and who was."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.inside = 0
        self.most = 0
        self.served: list[object] = []

    async def visit(self, gate: SharedGate, who: object, stay: Callable[[], Awaitable[object]] | None = None) -> None:
        """Pass once."""
        async with gate:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.served.append(who)
            await (asyncio.sleep(0) if stay is None else stay())
            self.inside -= 1


def _run(test: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(test, LONG)

    asyncio.run(bounded())


# Places


def test_a_session_alone_has_every_place_and_no_more(engine: sa.Engine, session: Session) -> None:
    """Without it, a crawl would be slower than the API allows, or ruder."""

    async def test() -> None:
        gate, visitors, together = _gate(engine, session, limit=5), Visitors(), asyncio.Barrier(5)
        await asyncio.gather(*(visitors.visit(gate, number, together.wait) for number in range(20)))
        assert visitors.most == 5

    _run(test())


def test_sessions_share_the_places_and_take_turns_where_there_are_too_few(engine: sa.Engine) -> None:
    """Without it, a process would wait until others that came before it are done, which may take hours."""

    async def test(sessions: list[Session]) -> None:
        gates = [_gate(engine, session, limit=2) for session in sessions]
        visitors = Visitors()

        async def keep_coming(number: int) -> None:
            while min(Counter({n: 0 for n in range(5)} | Counter(visitors.served)).values()) < 3:  # noqa: C420
                await visitors.visit(gates[number], number)

        await asyncio.gather(*(keep_coming(number) for number in range(5) for _ in range(4)))
        assert visitors.most <= 2
        assert visitors.inside == 0

    with contextlib.ExitStack() as stack:
        _run(test([stack.enter_context(Session(engine)) for _ in range(5)]))


def test_a_session_that_rests_leaves_its_places_to_the_others(engine: sa.Engine, session: Session) -> None:
    """Without it, a run that is done with one API, or waits for it, would keep the others out until it ends."""

    async def test(other: Session) -> None:
        resting, gate, visitors = _gate(engine, session), _gate(engine, other), Visitors()
        await visitors.visit(resting, "first")
        await visitors.visit(gate, "second")
        await visitors.visit(resting, "third")
        assert visitors.served == ["first", "second", "third"]

    with Session(engine) as other:
        _run(test(other))


def test_a_killed_process_leaves_its_places_at_once(
    engine: sa.Engine, sandbox: RunningSandbox, database_url: str, tmp_path: Path
) -> None:
    """Without it, each crash would make the API slower for all, until nothing may be asked any more."""
    Installation.of(engine, sandbox)
    keys = [who.account for who in sandbox.world.stores[0].customers]
    sandbox.state.faults = Roadblock(dict.fromkeys(keys, 0))
    host = sandbox.base_url.removeprefix("http://")

    async def test(session: Session, process: CrawlingProcess) -> None:
        gate = SharedGate(engine, session, host, max_in_flight=4, requests_per_second=1000.0, patience_seconds=60.0)
        visitors, together = Visitors(), asyncio.Barrier(4)
        late = [asyncio.create_task(visitors.visit(gate, "late", together.wait)) for _ in range(4)]
        await asyncio.to_thread(until, lambda: _places(engine) == [4, 0], "the late ones ask, in vain")
        await asyncio.to_thread(process.kill)
        await asyncio.gather(*late)  # all four at once, or the barrier holds them for ever
        assert _places(engine) == [4]

    accounts = accounts_file(sandbox, max_in_flight=4)
    with CrawlingProcess(database_url, accounts, tmp_path, "killed", "scalev", keys) as process:
        process.go()
        until(lambda: sandbox.state.traffic.in_flight["scalev"] == 4, "all places are taken")
        with Session(engine) as session:
            _run(test(session, process))


def test_cancellation_gives_the_place_back_wherever_it_strikes(engine: sa.Engine, session: Session) -> None:
    """Without it, each run that is stopped halfway would end in a crawl that waits for a place for ever."""

    async def test() -> None:
        gate, visitors = _gate(engine, session, limit=1, rate=20.0), Visitors()
        for steps in range(60):
            tasks = [asyncio.create_task(visitors.visit(gate, steps)) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0.001 if steps % 2 else 0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        visitors.inside = 0  # some were canceled inside
        await visitors.visit(gate, "last")
        assert visitors.served[-1] == "last"

    _run(test())


def test_accounts_are_served_in_the_order_they_came(engine: sa.Engine, session: Session) -> None:
    """Without it, an account with a long history could keep all others waiting."""

    async def test() -> None:
        gate, visitors = _gate(engine, session), Visitors()

        async def account(who: int, pages: int) -> None:
            for _ in range(pages):
                await visitors.visit(gate, who)

        await asyncio.gather(account(0, 50), *(account(number, 3) for number in range(1, 10)))
        assert visitors.served == [*range(10)] * 3 + [0] * 47

    _run(test())


# Pace


def test_the_own_pace_holds_over_all_sessions(engine: sa.Engine, session: Session) -> None:
    """Without it, two runs at once would ask twice as fast as configured."""

    async def test(other: Session) -> None:
        gates = [_gate(engine, each, limit=8, rate=40.0) for each in (session, other)]
        visitors = Visitors()
        began = time.monotonic()
        await asyncio.gather(*(visitors.visit(gates[number % 2], number) for number in range(60)))
        assert time.monotonic() - began >= 59 / 40

    with Session(engine) as other:
        _run(test(other))


def test_starts_that_nobody_used_are_not_made_up_for(engine: sa.Engine, session: Session) -> None:
    """Without it, a crawl that waited for the database or for a slow answer would go on with a burst."""

    async def test() -> None:
        gate, visitors = _gate(engine, session, limit=8, rate=100.0), Visitors()
        await visitors.visit(gate, "takes 25 starts, and uses one")
        await asyncio.sleep(0.8)  # nothing happens for a while
        began = time.monotonic()
        await asyncio.gather(*(visitors.visit(gate, number) for number in range(24)))
        assert time.monotonic() - began >= 23 / 100

    _run(test())


def test_a_slow_pace_of_our_own_is_no_reason_to_park(engine: sa.Engine, session: Session) -> None:
    """Without it, whoever configures one request in some seconds would find most accounts parked."""

    async def test() -> None:
        gate, visitors = _gate(engine, session, limit=8, rate=10.0, patience=0.2), Visitors()
        await asyncio.gather(*(visitors.visit(gate, number) for number in range(16)))
        assert len(visitors.served) == 16

    _run(test())


def test_what_is_left_of_the_window_is_spread_over_it(engine: sa.Engine, session: Session) -> None:
    """Without it, we would run into the limit at full speed, and everybody else at that address with us."""

    async def test() -> None:
        gate, visitors = _gate(engine, session, rate=500.0), Visitors()
        await visitors.visit(gate, 1)
        gate.heed(_answer(X_Ratelimit_Remaining="10", X_Ratelimit_Reset=_in_seconds(200)))
        await visitors.visit(gate, 2)
        ahead = _seconds_ahead(engine, "next_start")
        assert ahead is not None
        assert 10 < ahead <= 20, "one in twenty seconds, and no more than one taken in advance"
        gate.heed(_answer())
        assert _seconds_ahead(engine, "blocked_until") is None

    _run(test())


def test_the_pace_of_a_window_ends_with_the_window(engine: sa.Engine, session: Session) -> None:
    """Without it, the last requests of a window would be spread over minutes, and the accounts behind be parked."""

    async def test() -> None:
        gate, visitors = _gate(engine, session, limit=8, patience=30.0), Visitors()
        await visitors.visit(gate, 0)
        gate.heed(_answer(X_Ratelimit_Remaining="1", X_Ratelimit_Reset=_in_seconds(2)))
        await asyncio.gather(*(visitors.visit(gate, number) for number in range(100)))
        assert len(visitors.served) == 101

    _run(test())


def test_an_exhausted_window_holds_everyone_back_until_its_end(engine: sa.Engine, session: Session) -> None:
    """Without it, every process would have to find out by a refusal."""

    async def test(other: Session) -> None:
        gate, others = (_gate(engine, each, patience=10.0) for each in (session, other))
        visitors = Visitors()
        await visitors.visit(gate, "ours")
        gate.heed(_answer(X_Ratelimit_Remaining="0", X_Ratelimit_Reset=_in_seconds(300)))
        for each in (gate, others):
            with pytest.raises(RateLimitedError, match="asked everyone to wait") as caught:
                await visitors.visit(each, "too early")
            assert caught.value.retry_after_seconds is not None
            assert 150 < caught.value.retry_after_seconds <= 300
        assert visitors.served == ["ours"]
        with engine.begin() as connection:
            connection.execute(sa.text("update ops.api_pace set blocked_until = clock_timestamp(), next_start = now()"))
        await visitors.visit(others, "theirs")

    with Session(engine) as other:
        _run(test(other))


_RETRY_AFTER: dict[str, tuple[dict[str, str], float]] = {
    "seconds": ({"Retry_After": "300"}, 300),
    "a part of a second": ({"Retry_After": "300.5"}, 300.5),
    "absurd": ({"Retry_After": "99999999999"}, 8),
    "negative": ({"Retry_After": "-300"}, 8),
    "unreadable": ({"Retry_After": "soon"}, 8),
    "not a number": ({"Retry_After": "nan"}, 8),
    "infinite": ({"Retry_After": "inf"}, 8),
    "a year nobody can count": ({"Retry_After": "Wed, 25 Nov 99999999999999999999 10:00:00 GMT"}, 8),
    "a zone nobody lives in": ({"Retry_After": "Wed, 25 Nov 2026 10:00:00 +99999999999999999999"}, 8),
    "a date that has passed": ({"Retry_After": "Wed, 25 Nov 2020 10:00:00 GMT"}, 0),
    "absent": ({}, 8),
    "a date": ({"Retry_After": "in 300 seconds"}, 300),
    "negative, but the window is known": ({"Retry_After": "-1", "X_Ratelimit_Reset": "in 300 seconds"}, 300),
}


@pytest.mark.parametrize(("headers", "seconds"), _RETRY_AFTER.values(), ids=_RETRY_AFTER)
def test_three_refusals_in_a_row_hold_everyone_back(
    engine: sa.Engine, session: Session, headers: dict[str, str], seconds: float
) -> None:
    """Without it, thousands of accounts would each knock at a door that is shut; or all stop at one bad header."""
    later = datetime.now(UTC) + timedelta(seconds=300)
    words = {"Retry_After": format_datetime(later, usegmt=True), "X_Ratelimit_Reset": str(later.timestamp())}
    headers = {name: words[name] if "in 300" in value else value for name, value in headers.items()}

    async def test() -> None:
        gate = _gate(engine, session)
        await Visitors().visit(gate, "anyone")
        _refuse(gate, 2, **headers)
        assert _seconds_ahead(engine, "blocked_until") is None
        _refuse(gate, 1, **headers)
        ahead = _seconds_ahead(engine, "blocked_until")
        assert ahead is not None
        assert seconds - 30 < ahead <= seconds, "a busy machine may take its time"

    _run(test())


def test_refusals_of_one_account_concern_it_alone(engine: sa.Engine, session: Session) -> None:
    """Without it, the tries of one account with a limit of its own would park everybody's accounts."""

    async def test() -> None:
        gate = _gate(engine, session)
        await Visitors().visit(gate, "anyone")
        requests_sent.set(Counter())
        for _ in range(10):
            gate.heed(_answer(429, Retry_After="300", X_Ratelimit_Remaining="0", X_Ratelimit_Reset=_in_seconds(300)))
        assert _seconds_ahead(engine, "blocked_until") is None
        _refuse(gate, 1, Retry_After="300")
        gate.heed(_answer())
        _refuse(gate, 2, Retry_After="300")
        assert _seconds_ahead(engine, "blocked_until") is None, "an answer in between: the door is open"

    _run(test())


# Whole crawls


def _crawl(
    installation: Installation, sandbox: RunningSandbox, source: SourceSystem = "scalev", **values: object
) -> dict[str, CrawlResult]:
    """Crawl all accounts of one API as a run of the product does."""
    settings = configuration.load(accounts_file(sandbox, **values))
    keys = [account for account in sandbox.world.accounts if account.startswith("ktsp/") is (source == "ktsp")]
    found = crawl_accounts(source, keys, settings, installation.engine, "run-1", lambda _result: None, mode="full")
    assert len(found) == len(keys)
    return {result.account.partition_key: result for result in found}


def test_two_processes_keep_the_limits_together(
    installation: Installation, sandbox: RunningSandbox, database_url: str, tmp_path: Path
) -> None:
    """Without it, every worker that is added would ask the API for more than it was promised."""
    keys = [who.account for who in sandbox.world.stores[0].customers]
    accounts = accounts_file(sandbox, max_in_flight=3, requests_per_second=20.0, page_size=5)
    with (
        CrawlingProcess(database_url, accounts, tmp_path, "one", "scalev", keys[::2]) as one,
        CrawlingProcess(database_url, accounts, tmp_path, "two", "scalev", keys[1::2]) as two,
    ):
        began = time.monotonic()
        one.go()
        two.go()
        found = one.results() | two.results()
        took = time.monotonic() - began
    assert found == dict.fromkeys(keys, ("complete", "ok"))
    traffic = sandbox.traffic()
    assert traffic["total"] > 30
    assert traffic["max_in_flight"]["scalev"] <= 3
    assert took >= (traffic["total"] - 1) / 20.0
    assert traffic["windows"]["scalev"] <= 40, "what was missed is not made up for by a burst"
    overlap = installation.rows(
        "select max(first) < min(last) as is_true from"
        " (select min(started_at) as first, max(finished_at) as last from ops.crawls group by run_id) as runs"
    )
    assert overlap == [{"is_true": True}], "they did crawl at once"
    assert installation.rows("select * from ops.api_leases") == []


def test_a_crawl_keeps_to_the_limit_that_the_api_tells(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, accounts would be parked, or the API flooded, where its limit is lower than what we configured."""
    monkeypatch.setattr(sandbox_state, "_WINDOW_SECONDS", 2)
    with serve(SPEC, Options(rate_limit=15)) as sandbox:
        results = _crawl(Installation.of(engine, sandbox), sandbox, page_size=5)
        assert {result.verdict.reason for result in results.values()} == {Reason.OK}
        traffic = sandbox.traffic()
        assert traffic["total"] > 45, "more than three windows' worth"
        assert traffic["refused"]["scalev"] <= 8, "who was on the way when the first window ended"


def test_a_crawl_gets_through_where_only_refusals_tell_of_a_limit(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a limit that KTSP does not document would end every crawl for good."""
    monkeypatch.setattr(sandbox_state, "_WINDOW_SECONDS", 2)
    with serve(SPEC, Options(ktsp_rate_limit=20)) as sandbox:
        installation = Installation.of(engine, sandbox)
        for _ in range(5):  # a request that is refused again and again parks its account
            results = _crawl(installation, sandbox, "ktsp", page_size=10)
            assert {result.verdict.reason for result in results.values()} <= {Reason.OK, Reason.RATE_LIMITED}
            installation.do("update ops.crawls set resume_at = now() - interval '1 second' where status = 'parked'")
            if all(result.verdict.is_complete for result in results.values()):
                break
        assert all(result.verdict.is_complete for result in results.values())
        assert sandbox.traffic()["refused"]["ktsp"] > 0, "there was a limit"


@pytest.mark.parametrize("fault", ["rate_limited", "rate_limited:reset=3600", "rate_limited:retry_after=3600"])
def test_the_limit_of_one_account_hurts_nobody_else(
    installation: Installation, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Without it, one customer who shops too much would park thousands of accounts."""
    monkeypatch.setattr(sandbox_state, "_WINDOW_SECONDS", 1)  # it waits for the end of the window between its tries
    limited = sandbox.world.stores[0].customers[0].account
    sandbox.set_fault(limited, fault)
    results = _crawl(installation, sandbox, page_size=5)
    verdict = results.pop(limited).verdict
    assert (verdict.status, verdict.reason) == (Status.PARKED, Reason.RATE_LIMITED)
    if "=" in fault:
        assert verdict.resume_at is not None
        assert timedelta(minutes=50) < verdict.resume_at - datetime.now(UTC) <= timedelta(hours=1)
    assert {result.verdict.reason for result in results.values()} == {Reason.OK}
    assert _seconds_ahead(installation.engine, "blocked_until") is None


@pytest.mark.parametrize("fault", ["rate_limited_once:retry_after=1", "rate_limited_once:retry_after=date+1"])
def test_a_short_wait_is_waited(installation: Installation, sandbox: RunningSandbox, fault: str) -> None:
    """Without it, an account would be parked for a second."""
    sandbox.set_fault(sandbox.world.stores[0].customers[0].account, fault)
    assert {result.verdict.reason for result in _crawl(installation, sandbox).values()} == {Reason.OK}


def test_a_wait_beyond_our_patience_parks_everyone_without_a_request(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a run would sleep for an hour with all its accounts, or ask an API that said not to."""
    _crawl(installation, sandbox, page_size=5)
    sandbox.reset_requests()
    installation.do("update ops.api_pace set blocked_until = clock_timestamp() + interval '1 hour'")
    results = _crawl(installation, sandbox, page_size=5)
    assert sandbox.traffic()["total"] == 0
    for result in results.values():
        verdict = result.verdict
        assert (verdict.status, verdict.reason) == (Status.PARKED, Reason.RATE_LIMITED)
        assert verdict.resume_at is not None
        assert timedelta(minutes=50) < verdict.resume_at - datetime.now(UTC) <= timedelta(hours=1)
        assert result.seconds < LONG, "nobody slept"
    kept = installation.rows("select distinct status, resume_at is not null as is_told from ops.crawls where pages = 0")
    assert kept == [{"status": "parked", "is_told": True}]

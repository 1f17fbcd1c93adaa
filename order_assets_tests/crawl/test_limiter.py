"""Politeness over processes: places and pace shared, limits of the API heeded, nobody starved, no place lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_assets.clients.errors import RateLimitedError
from order_assets.clients.http import requests_sent
from order_assets.crawl.limiter import SharedGate
from order_assets.crawl.session import Session
from order_assets.sandbox.testing import RunningSandbox
from order_assets_tests.crawl import limits
from order_assets_tests.crawl.crawling_process import CrawlingProcess, Roadblock, accounts_file, until
from order_assets_tests.crawl.limits import (
    Visitors,
    answer,
    gate_of,
    in_seconds,
    places,
    refuse,
    run_bounded,
    seconds_ahead,
)
from order_assets_tests.crawl.parts import Installation

sandbox = limits.sandbox
session = limits.session


# Places


def test_a_session_alone_has_every_place_and_no_more(engine: sa.Engine, session: Session) -> None:
    """Without it, a crawl would be slower than the API allows, or ruder."""

    async def test() -> None:
        gate, visitors, together = gate_of(engine, session, limit=5), Visitors(), asyncio.Barrier(5)
        await asyncio.gather(*(visitors.visit(gate, number, together.wait) for number in range(20)))
        assert visitors.most == 5

    run_bounded(test())


def test_sessions_share_the_places_and_take_turns_where_there_are_too_few(engine: sa.Engine) -> None:
    """Without it, a process would wait until others that came before it are done, which may take hours."""

    async def test(sessions: list[Session]) -> None:
        gates = [gate_of(engine, session, limit=2) for session in sessions]
        visitors = Visitors()

        async def keep_coming(number: int) -> None:
            while min(Counter({n: 0 for n in range(5)} | Counter(visitors.served)).values()) < 3:  # noqa: C420
                await visitors.visit(gates[number], number)

        await asyncio.gather(*(keep_coming(number) for number in range(5) for _ in range(4)))
        assert visitors.most <= 2
        assert visitors.inside == 0

    with contextlib.ExitStack() as stack:
        run_bounded(test([stack.enter_context(Session(engine)) for _ in range(5)]))


def test_a_session_that_rests_leaves_its_places_to_the_others(engine: sa.Engine, session: Session) -> None:
    """Without it, a run that is done with one API, or waits for it, would keep the others out until it ends."""

    async def test(other: Session) -> None:
        resting, gate, visitors = gate_of(engine, session), gate_of(engine, other), Visitors()
        await visitors.visit(resting, "first")
        await visitors.visit(gate, "second")
        await visitors.visit(resting, "third")
        assert visitors.served == ["first", "second", "third"]

    with Session(engine) as other:
        run_bounded(test(other))


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
        await asyncio.to_thread(until, lambda: places(engine) == [4, 0], "the late ones ask, in vain")
        await asyncio.to_thread(process.kill)
        await asyncio.gather(*late)  # all four at once, or the barrier holds them for ever
        assert places(engine) == [4]

    accounts = accounts_file(sandbox, max_in_flight=4)
    with CrawlingProcess(database_url, accounts, tmp_path, "killed", "scalev", keys) as process:
        process.go()
        until(lambda: sandbox.state.traffic.in_flight["scalev"] == 4, "all places are taken")
        with Session(engine) as session:
            run_bounded(test(session, process))


def test_cancellation_gives_the_place_back_wherever_it_strikes(engine: sa.Engine, session: Session) -> None:
    """Without it, each run that is stopped halfway would end in a crawl that waits for a place for ever."""

    async def test() -> None:
        gate, visitors = gate_of(engine, session, limit=1, rate=20.0), Visitors()
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

    run_bounded(test())


def test_accounts_are_served_in_the_order_they_came(engine: sa.Engine, session: Session) -> None:
    """Without it, an account with a long history could keep all others waiting."""

    async def test() -> None:
        gate, visitors = gate_of(engine, session), Visitors()

        async def account(who: int, pages: int) -> None:
            for _ in range(pages):
                await visitors.visit(gate, who)

        await asyncio.gather(account(0, 50), *(account(number, 3) for number in range(1, 10)))
        assert visitors.served == [*range(10)] * 3 + [0] * 47

    run_bounded(test())


# Pace


def test_the_own_pace_holds_over_all_sessions(engine: sa.Engine, session: Session) -> None:
    """Without it, two runs at once would ask twice as fast as configured."""

    async def test(other: Session) -> None:
        gates = [gate_of(engine, each, limit=8, rate=40.0) for each in (session, other)]
        visitors = Visitors()
        began = time.monotonic()
        await asyncio.gather(*(visitors.visit(gates[number % 2], number) for number in range(60)))
        assert time.monotonic() - began >= 59 / 40

    with Session(engine) as other:
        run_bounded(test(other))


def test_starts_that_nobody_used_are_not_made_up_for(engine: sa.Engine, session: Session) -> None:
    """Without it, a crawl that waited for the database or for a slow answer would go on with a burst."""

    async def test() -> None:
        gate, visitors = gate_of(engine, session, limit=8, rate=100.0), Visitors()
        await visitors.visit(gate, "takes 25 starts, and uses one")
        await asyncio.sleep(0.8)  # nothing happens for a while
        began = time.monotonic()
        await asyncio.gather(*(visitors.visit(gate, number) for number in range(24)))
        assert time.monotonic() - began >= 23 / 100

    run_bounded(test())


def test_a_slow_pace_of_our_own_is_no_reason_to_park(engine: sa.Engine, session: Session) -> None:
    """Without it, whoever configures one request in some seconds would find most accounts parked."""

    async def test() -> None:
        gate, visitors = gate_of(engine, session, limit=8, rate=10.0, patience=0.2), Visitors()
        await asyncio.gather(*(visitors.visit(gate, number) for number in range(16)))
        assert len(visitors.served) == 16

    run_bounded(test())


def test_what_is_left_of_the_window_is_spread_over_it(engine: sa.Engine, session: Session) -> None:
    """Without it, we would run into the limit at full speed, and everybody else at that address with us."""

    async def test() -> None:
        gate, visitors = gate_of(engine, session, rate=500.0), Visitors()
        await visitors.visit(gate, 1)
        gate.heed(answer(X_Ratelimit_Remaining="10", X_Ratelimit_Reset=in_seconds(200)))
        await visitors.visit(gate, 2)
        ahead = seconds_ahead(engine, "next_start")
        assert ahead is not None
        assert 10 < ahead <= 20, "one in twenty seconds, and no more than one taken in advance"
        gate.heed(answer())
        assert seconds_ahead(engine, "blocked_until") is None

    run_bounded(test())


def test_the_pace_of_a_window_ends_with_the_window(engine: sa.Engine, session: Session) -> None:
    """Without it, the last requests of a window would be spread over minutes, and the accounts behind be parked."""

    async def test() -> None:
        gate, visitors = gate_of(engine, session, limit=8, patience=30.0), Visitors()
        await visitors.visit(gate, 0)
        gate.heed(answer(X_Ratelimit_Remaining="1", X_Ratelimit_Reset=in_seconds(2)))
        await asyncio.gather(*(visitors.visit(gate, number) for number in range(100)))
        assert len(visitors.served) == 101

    run_bounded(test())


def test_an_exhausted_window_holds_everyone_back_until_its_end(engine: sa.Engine, session: Session) -> None:
    """Without it, every process would have to find out by a refusal."""

    async def test(other: Session) -> None:
        gate, others = (gate_of(engine, each, patience=10.0) for each in (session, other))
        visitors = Visitors()
        await visitors.visit(gate, "ours")
        gate.heed(answer(X_Ratelimit_Remaining="0", X_Ratelimit_Reset=in_seconds(300)))
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
        run_bounded(test(other))


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
        gate = gate_of(engine, session)
        await Visitors().visit(gate, "anyone")
        refuse(gate, 2, **headers)
        assert seconds_ahead(engine, "blocked_until") is None
        refuse(gate, 1, **headers)
        ahead = seconds_ahead(engine, "blocked_until")
        assert ahead is not None
        assert seconds - 30 < ahead <= seconds, "a busy machine may take its time"

    run_bounded(test())


def test_refusals_of_one_account_concern_it_alone(engine: sa.Engine, session: Session) -> None:
    """Without it, the tries of one account with a limit of its own would park everybody's accounts."""

    async def test() -> None:
        gate = gate_of(engine, session)
        await Visitors().visit(gate, "anyone")
        requests_sent.set(Counter())
        for _ in range(10):
            gate.heed(answer(429, Retry_After="300", X_Ratelimit_Remaining="0", X_Ratelimit_Reset=in_seconds(300)))
        assert seconds_ahead(engine, "blocked_until") is None
        refuse(gate, 1, Retry_After="300")
        gate.heed(answer())
        refuse(gate, 2, Retry_After="300")
        assert seconds_ahead(engine, "blocked_until") is None, "an answer in between: the door is open"

    run_bounded(test())

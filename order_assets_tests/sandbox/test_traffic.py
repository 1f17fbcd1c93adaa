"""What the sandbox counts of its callers, and the rate limits it holds them to."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from order_assets.sandbox import __main__ as command
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import serve
from order_assets_tests.sandbox.callers import Clock, KtspCaller, ScalevCaller
from order_assets_tests.sandbox.conftest import SPEC


def test_requests_are_counted() -> None:
    """Tests of saved requests and of limits on requests in flight read these numbers."""
    with serve(SPEC) as own, httpx.Client(base_url=own.base_url) as http:
        account = own.world.stores[0].customers[1].account
        caller = ScalevCaller(own, http, account)
        caller.walk()
        caller.refresh()
        counts = http.get("/sandbox/requests").json()
        assert counts["accounts"] == {account: 8}
        assert counts["refreshes"] == {account: 1}
        assert (counts["total"], counts["max_in_flight"]) == (9, {"scalev": 1, "ktsp": 0})
        assert http.post("/sandbox/requests/reset").status_code == 204
        assert http.get("/sandbox/requests").json()["total"] == 0


def test_latency_overlaps_and_in_flight_shows() -> None:
    """Limits on concurrency are judged by this number; the latency is what makes requests overlap."""
    with serve(SPEC, Options(latency_ms=200)) as own, httpx.Client(base_url=own.base_url) as http:
        caller = ScalevCaller(own, http, own.world.stores[0].customers[1].account)
        with ThreadPoolExecutor(4) as pool:
            answers = [future.result() for future in [pool.submit(caller.get) for _ in range(4)]]
        assert [answer.status_code for answer in answers] == [200] * 4
        assert own.traffic()["max_in_flight"]["scalev"] > 1


def test_ktsp_rate_limit() -> None:
    """Without it, nobody would know that the client keeps to a limit that only Retry-After tells of."""
    clock = Clock()
    with serve(SPEC, Options(ktsp_rate_limit=3, clock=clock)) as own, httpx.Client(base_url=own.base_url) as http:
        caller = KtspCaller(own, http)
        clock.now += 3  # of 10 seconds
        answers = [caller.list(memberId="KT00000001") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].text == "Too many requests"
        assert answers[2].headers["Retry-After"] == "7"
        assert not [name for name in answers[2].headers if name.startswith("x-ratelimit")]
        account = own.world.stores[0].customers[0].account
        assert ScalevCaller(own, http, account).get().status_code == 200
        clock.now += 7
        assert caller.list(memberId="KT00000001").status_code == 200
        assert own.traffic()["refused"] == {"scalev": 0, "ktsp": 1}


def test_refused_requests_are_counted_per_api() -> None:
    """Without it, a client that runs into the limit all the time would look like one that keeps to it."""
    with serve(SPEC, Options(rate_limit=2, clock=Clock())) as own, httpx.Client(base_url=own.base_url) as http:
        caller = ScalevCaller(own, http, own.world.stores[0].customers[0].account)
        for _ in range(5):
            caller.get()
        counts = http.get("/sandbox/requests").json()
        assert counts["refused"] == {"scalev": 3, "ktsp": 0}
        assert (counts["total"], counts["accounts"]) == (5, {caller.account: 2})
        own.reset_requests()
        assert own.traffic()["refused"] == {"scalev": 0, "ktsp": 0}
        caller.get()
        assert own.traffic()["refused"]["scalev"] == 1, "the window is still full"


def test_a_fault_is_no_refusal_by_the_limit() -> None:
    """Without it, an account with the fault `rate_limited` would be taken for a limiter that failed."""
    with serve(SPEC, Options(rate_limit=100)) as own, httpx.Client(base_url=own.base_url) as http:
        caller = ScalevCaller(own, http, own.world.stores[0].customers[0].account)
        own.set_fault(caller.account, "rate_limited")
        assert caller.get().status_code == 429
        assert own.traffic()["refused"] == {"scalev": 0, "ktsp": 0}


def test_the_busiest_second_is_kept() -> None:
    """Without it, a limiter shared by several processes could not be shown to hold its rate."""
    clock = Clock()
    with serve(SPEC, Options(clock=clock)) as own, httpx.Client(base_url=own.base_url) as http:
        caller, ktsp = ScalevCaller(own, http, own.world.stores[0].customers[0].account), KtspCaller(own, http)
        for requests in (2, 4, 1):
            clock.now += 1
            for _ in range(requests):
                caller.get()
        ktsp.page("KT00000001", 0)
        assert own.traffic()["windows"] == {"scalev": 4, "ktsp": 1}
        clock.now += 1
        caller.get()
        caller.refresh()
        assert own.traffic()["windows"]["scalev"] == 4
        own.reset_requests()
        assert own.traffic()["windows"] == {"scalev": 0, "ktsp": 0}
        caller.get()
        assert own.traffic()["windows"]["scalev"] == 1


def test_the_command_takes_the_limits() -> None:
    """Without it, only tests could have a limit, not a person with a detached sandbox."""
    args = command.parser().parse_args(["--rate-limit", "5", "--ktsp-rate-limit", "7"])
    assert (args.rate_limit, args.ktsp_rate_limit) == (5, 7)
    defaults = command.parser().parse_args([])
    assert (defaults.rate_limit, defaults.ktsp_rate_limit) == (0, 0)

"""Whole crawls under limits: our own over processes, those an API tells, those that only refusals tell."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_assets import settings as configuration
from order_assets.clients.errors import Reason
from order_assets.clients.pagination import Status
from order_assets.crawl.ledger import CrawlResult
from order_assets.crawl.run import crawl_accounts
from order_assets.sandbox import state as sandbox_state
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.settings import SourceSystem
from order_assets_tests.crawl import limits
from order_assets_tests.crawl.crawling_process import CrawlingProcess, accounts_file
from order_assets_tests.crawl.limits import LONG, SPEC, seconds_ahead
from order_assets_tests.crawl.parts import Installation

sandbox = limits.sandbox


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
    assert seconds_ahead(installation.engine, "blocked_until") is None


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

"""Whole crawls over a socket: everything seen and kept, every fault a verdict, nobody hurt by another's trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa

from order_assets.clients import http as http_module
from order_assets.clients.errors import (
    AccountError,
    ApiError,
    ContractError,
    RateLimitedError,
    Reason,
    SignInError,
    TransientError,
)
from order_assets.clients.http import RetryPolicy, decode
from order_assets.clients.pagination import Status, Verdict
from order_assets.crawl import verdict
from order_assets.crawl.encryption import PageCipher
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets_tests.crawl.parts import Installation, no_wait

SMALL_PAGE = 4  # orders per page, so that every account of the matrix has several


def _bodies(installation: Installation, account: str) -> dict[int, bytes]:
    """Return the decrypted bodies of an account's pages, as received, by page number (of its last crawl)."""
    rows = installation.rows(
        "select p.*, k.wrapped_key from raw.order_pages as p inner join ops.crawls as c using (crawl_id)"
        " inner join ops.page_keys as k using (source_system, partition_key)"
        " where partition_key = :account order by crawl_id, page_number",
        account=account,
    )
    return {
        row["page_number"]: PageCipher.of(installation.vault.open(row["wrapped_key"])).decrypt(
            row["body"], row["crawl_id"], row["page_number"]
        )
        for row in rows
    }


def _crawls(installation: Installation) -> dict[str, dict[str, object]]:
    """Return the last crawl of each account."""
    rows = installation.rows("select * from ops.crawls order by crawl_id")
    return {row["partition_key"]: dict(row) for row in rows}


# Sound answers


def test_every_order_of_every_account_is_seen(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a history could be cut short and nobody would know."""
    results = installation.crawl()
    truth = {account: len(sandbox.world.orders(account)) for account in sandbox.world.accounts}
    assert {0, 25} <= set(truth.values()), "the awkward sizes are in the world"
    assert {account: result.orders_seen for account, result in results.items()} == truth
    assert {(result.verdict.status, result.verdict.reason) for result in results.values()} == {("complete", "ok")}
    assert {account: result.requests for account, result in results.items() if account[:4] != "ktsp"} == {
        account: count for account, count in sandbox.requests().items() if account[:4] != "ktsp"
    }
    assert sum(result.requests for result in results.values()) == sandbox.traffic()["total"]


def test_the_ledger_says_what_the_results_say(installation: Installation) -> None:
    """Without it, the verdicts in the database could differ from those in the UI."""
    results = installation.crawl(run_id="run-7")
    ledger = _crawls(installation)
    for account, result in results.items():
        row = ledger[account]
        named = {name: row[name] for name in ("crawl_id", "requests", "pages", "orders_seen", "duplicates", "bytes")}
        assert named == {name: getattr(result, name) for name in named}
        assert (row["status"], row["reason"], row["run_id"], row["loaded_at"]) == ("complete", "ok", "run-7", None)
        assert row["finished_at"] >= row["started_at"]  # type: ignore[operator]  # both are datetimes
    pages = installation.rows(
        "select partition_key, count(*) as pages, sum(items) as items, max(http_status) as status"
        " from raw.order_pages inner join ops.crawls using (crawl_id) group by 1"
    )
    assert {row["partition_key"]: (row["items"], row["status"]) for row in pages} == {
        account: (result.orders_seen, 200) for account, result in results.items()
    }
    assert all(row["pages"] <= results[row["partition_key"]].pages for row in pages), "what came twice is kept once"


def test_pages_are_kept_as_the_server_sent_them(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a replay would derive facts from other bytes than were received."""
    account = sandbox.world.stores[0].customers[1].account
    installation.crawl([account])
    kept = _bodies(installation, account)
    cursor: str | None = None
    for number in range(1, 4):
        params: dict[str, str | int] = {"page_size": 25} | ({"next_cursor": cursor} if cursor else {})
        with httpx.stream(
            "GET",
            f"{sandbox.base_url}/v3/stores/{account.partition('/')[0]}/customers/me/orders",
            params=params,
            headers={"Authorization": f"Bearer {sandbox.tokens(account)['access']}", "Accept-Encoding": "gzip"},
        ) as answer:
            raw = b"".join(answer.iter_raw())
        assert kept[number] == raw
        cursor = json.loads(decode(raw, "gzip"))["next_cursor"]
    assert cursor is None
    assert len(kept) == 3


def test_nobody_can_be_read_in_the_database(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a copy of the database would be a copy of everyone's name, address and history."""
    installation.crawl()
    installation.load()
    customer = sandbox.world.stores[0].customers[0]
    order = sandbox.world.orders(customer.account)[0]
    canaries = [customer.email, customer.full_name, customer.phone, customer.street, order["secret_slug"]]
    body = decode(_bodies(installation, customer.account)[1], "gzip").decode()
    assert all(canary in body for canary in canaries), "the API did send them"
    tables = installation.rows(
        "select format('%I.%I', table_schema, table_name) as name from information_schema.tables"
        " where table_schema in ('marts', 'ops', 'raw')"
    )
    for table in tables:
        rows = installation.rows(f"select t::text as row from {table['name']} as t")  # noqa: S608 - from the catalog
        text = "\n".join(row["row"] for row in rows)
        found = [canary for canary in canaries if canary in text or canary.encode().hex() in text]
        assert found == [], table["name"]


def test_a_second_crawl_is_independent(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, pages of two crawls would overwrite each other, or the second would trust the first's counts."""
    account = sandbox.world.members[1].account
    first = installation.crawl([account])[account]
    sandbox.world.add_order(account)
    second = installation.crawl([account], run_id="run-2")[account]
    assert second.crawl_id > first.crawl_id
    assert second.orders_seen == first.orders_seen + 1 == len(sandbox.world.orders(account))
    counts = installation.rows("select crawl_id, sum(items) as orders from raw.order_pages group by 1 order by 1")
    assert [(row["crawl_id"], row["orders"]) for row in counts] == [
        (first.crawl_id, first.orders_seen),
        (second.crawl_id, second.orders_seen),
    ]
    assert len(installation.rows("select * from ops.page_keys")) == 1


# Faults: status and reason of each, in one crawl with healthy accounts

ALL = None  # every order is seen
SCALEV_FAULTS: dict[str, tuple[str, str, int | None]] = {
    "token_expired": ("failed", "token_expired", 0),
    "token_expired:times=1": ("complete", "ok", ALL),
    "token_expired:from_page=1": ("failed", "token_expired", SMALL_PAGE),
    "sign_in_needed": ("failed", "sign_in_needed", 0),
    "cursor_repeated": ("incomplete", "cursor_repeated", 2 * SMALL_PAGE),
    "cursor_cycle": ("incomplete", "cursor_repeated", 3 * SMALL_PAGE),
    "cursor_missing": ("incomplete", "cursor_missing", SMALL_PAGE),
    "cursor_rejected": ("incomplete", "cursor_rejected", SMALL_PAGE),
    "page_repeated": ("incomplete", "page_repeated", SMALL_PAGE),
    "endless_empty": ("incomplete", "page_repeated", SMALL_PAGE),
    "rate_limited": ("parked", "rate_limited", 0),
    "rate_limited:retry_after=absurd": ("parked", "rate_limited", 0),
    "rate_limited:from_page=1:retry_after=3600": ("parked", "rate_limited", SMALL_PAGE),
    "rate_limited_once:retry_after=1": ("complete", "ok", ALL),
    "server_error": ("failed", "server_error", 0),
    "server_error:from_page=1:status=503": ("incomplete", "server_error", SMALL_PAGE),
    "server_error_once": ("complete", "ok", ALL),
    "html_error": ("failed", "server_error", 0),
    "html_error:status=200": ("failed", "bad_json", 0),
    "html_error:status=404": ("failed", "api_error", 0),
    "disconnected": ("failed", "server_error", 0),
    "disconnected:times=1": ("complete", "ok", ALL),
    "truncated_body:from_page=1": ("incomplete", "server_error", SMALL_PAGE),
    "bad_json": ("failed", "bad_json", 0),
    "bad_json:from_page=1": ("incomplete", "bad_json", SMALL_PAGE),
    "bad_envelope": ("failed", "bad_envelope", 0),
    "bad_envelope:from_page=1": ("incomplete", "bad_envelope", SMALL_PAGE),
    "cursor_expired": ("complete", "ok", ALL),
    "cursor_expired:from_page=3": ("complete", "ok", ALL),
    "rate_limited:from_page=1:reset=7200": ("parked", "rate_limited", SMALL_PAGE),
    "empty_body": ("failed", "bad_json", 0),
    "no_content:from_page=1": ("incomplete", "bad_json", SMALL_PAGE),
    "bom": ("complete", "ok", ALL),
    "half_surrogate": ("complete", "ok", ALL),
    "odd_numbers": ("complete", "ok", ALL),
    "new_fields": ("complete", "ok", ALL),
    "new_values": ("complete", "ok", ALL),
    "unsorted": ("complete", "ok", ALL),
    "oldest_first": ("complete", "ok", ALL),
    "shifted": ("complete", "ok", ALL),
}
KTSP_FAULTS: dict[str, tuple[str, str, int | None]] = {
    "token_expired": ("failed", "token_expired", 0),
    "token_expired:times=1": ("complete", "ok", ALL),
    "page_repeated": ("incomplete", "page_repeated", SMALL_PAGE),
    "last_page_repeated": ("incomplete", "page_repeated", ALL),
    "first_page_is_one": ("complete", "ok", ALL),
    "rate_limited": ("parked", "rate_limited", 0),
    "rate_limited:from_page=1:retry_after=date+7200": ("parked", "rate_limited", SMALL_PAGE),
    "server_error:from_page=2": ("incomplete", "server_error", 2 * SMALL_PAGE),
    "html_error:status=200": ("failed", "bad_json", 0),
    "disconnected": ("failed", "server_error", 0),
    "truncated_body": ("failed", "server_error", 0),
    "bad_json:from_page=1": ("incomplete", "bad_json", SMALL_PAGE),
    "bad_envelope": ("failed", "bad_envelope", 0),
    "api_error": ("failed", "api_error", 0),
    "api_error:times=1": ("complete", "ok", ALL),
    "api_error:code=3:from_page=1": ("incomplete", "api_error", SMALL_PAGE),
    "member_not_found": ("failed", "member_not_found", 0),
    "more_lies:pages=2": ("complete", "ok", ALL),
    # An empty page that announces more is a legal end here; once the history is known, it counts as shrunk.
    "endless_empty": ("complete", "ok", SMALL_PAGE),
    "empty_body:from_page=1": ("incomplete", "bad_json", SMALL_PAGE),
    "no_content": ("failed", "bad_json", 0),
    "bom": ("complete", "ok", ALL),
    "half_surrogate": ("complete", "ok", ALL),
    "new_fields": ("complete", "ok", ALL),
    "unsorted": ("complete", "ok", ALL),
    "shifted": ("complete", "ok", ALL),
}
_MATRIX_SPEC = WorldSpec(seed=11, stores=1, customers_per_store=90, members=55, orders_per_account=25)


@pytest.fixture
def troubled(engine: sa.Engine) -> Iterator[tuple[RunningSandbox, Installation, dict[str, str]]]:
    """Serve a world where each fault strikes one account of at least five pages; the others are well."""
    with serve(_MATRIX_SPEC) as sandbox:
        long = [account for account in sandbox.world.accounts if len(sandbox.world.orders(account)) > 4 * SMALL_PAGE]
        faults: dict[str, str] = {}
        for table, is_ktsp in ((SCALEV_FAULTS, False), (KTSP_FAULTS, True)):
            mine = [account for account in long if account.startswith("ktsp/") is is_ktsp]
            assert len(mine) >= len(table), "enough long histories"
            faults |= dict(zip(mine, table, strict=False))
        for account, fault in faults.items():
            sandbox.set_fault(account, fault)
        yield sandbox, Installation.of(engine, sandbox, page_size=SMALL_PAGE, ktsp_page_size=SMALL_PAGE), faults


def _expected(account: str, fault: str) -> tuple[str, str, int | None]:
    return (KTSP_FAULTS if account.startswith("ktsp/") else SCALEV_FAULTS)[fault]


def test_every_fault_is_one_accounts_verdict(
    troubled: tuple[RunningSandbox, Installation, dict[str, str]],
) -> None:
    """Without it, one broken credential or page could stop, or silently shorten, the histories of all."""
    sandbox, installation, faults = troubled
    results = installation.crawl(at_once=16)
    truth = {account: len(sandbox.world.orders(account)) for account in sandbox.world.accounts}
    found = {
        (fault, account[:4]): (
            str(results[account].verdict.status), str(results[account].verdict.reason), results[account].orders_seen
        )
        for account, fault in faults.items()
    }  # fmt: skip
    wanted = {
        (fault, account[:4]): (status, reason, truth[account] if seen is ALL else seen)
        for account, fault in faults.items()
        for status, reason, seen in [_expected(account, fault)]
    }
    assert found == wanted
    healthy = [account for account in sandbox.world.accounts if account not in faults]
    assert len(healthy) > 40
    assert {results[account].verdict.reason for account in healthy} == {Reason.OK}
    assert all(results[account].orders_seen == truth[account] for account in healthy)
    _check_states(installation, faults)
    _check_bad_pages(installation, faults)
    installation.load()
    held = installation.rows("select partition_key, count(*) as n from ops.order_lineage group by 1")
    assert {row["partition_key"]: row["n"] for row in held} == {
        account: result.orders_seen for account, result in results.items() if result.orders_seen
    }, "good pages count, whatever came after them"
    _check_unknown_fields(installation)


def _check_unknown_fields(installation: Installation) -> None:
    """What the documents do not know is kept and counted, and costs no order."""
    rows = installation.rows("select source_system, field, value, occurrences > 0 as some from ops.unknown_fields")
    assert {(row["source_system"], row["field"], row["value"]) for row in rows if row["some"]} == {
        ("scalev", "loyalty_tier", ""),
        ("scalev", "store.region", ""),
        ("scalev", "orderlines[].tax_hint", ""),
        ("scalev", "status", "teleported"),
        ("ktsp", "loyalty_tier", ""),
    }


def _check_states(installation: Installation, faults: dict[str, str]) -> None:
    """Credentials that need a person are marked, and nothing else is."""
    states = {
        row["partition_key"]: row["state"]
        for row in installation.rows("select * from ops.accounts where state <> 'active'")
    }
    reasons = {"token_expired": "needs_sign_in", "sign_in_needed": "needs_sign_in", "member_not_found": "not_found"}
    assert states == {
        account: reasons[reason]
        for account, fault in faults.items()
        for reason in [_expected(account, fault)[1]]
        if reason in reasons
    }


def _check_bad_pages(installation: Installation, faults: dict[str, str]) -> None:
    """An answer that could not be read is kept all the same, and marked as unread."""
    unread = {
        row["partition_key"]
        for row in installation.rows(
            "select partition_key from raw.order_pages inner join ops.crawls using (crawl_id) where items is null"
        )
    }
    kinds = ("bad_json", "bad_envelope", "cursor_rejected", "api_error", "empty_body", "no_content")
    assert unread == {
        account
        for account, fault in faults.items()
        if (fault.startswith(kinds) or fault == "html_error:status=200") and _expected(account, fault)[1] != "ok"
    }
    for account, fault in faults.items():
        body = list(_bodies(installation, account).values())[-1:]
        if fault == "bad_envelope":
            assert json.loads(body[0]) == {"result": {"rows": []}, "success": True}
        if fault == "html_error:status=200":
            assert b"<html>" in body[0]


def test_pages_that_shift_during_the_walk_lose_nothing(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, orders that come in during a walk would count twice, or push others out of sight."""
    scalev, ktsp = sandbox.world.stores[0].customers[1].account, sandbox.world.members[1].account
    for account in (scalev, ktsp):
        sandbox.set_fault(account, "shifted")
    results = installation.crawl([scalev, ktsp])
    for account in (scalev, ktsp):
        assert results[account].verdict.is_complete
        assert results[account].orders_seen == len(sandbox.world.orders(account))
        assert results[account].duplicates > 0
    installation.load()
    orders = installation.rows("select count(*) as n from marts.order_facts")[0]["n"]
    assert orders == sum(result.orders_seen for result in results.values())


def test_an_answer_that_never_comes_is_a_timeout(
    installation: Installation, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, one account whose server hangs would hold up the run for ever."""
    slow, well = sandbox.world.members[0].account, sandbox.world.members[1].account
    installation.crawl([well])
    monkeypatch.setattr(http_module, "READ_SECONDS", 0.5)
    installation.retry = RetryPolicy(attempts=1, sleep=no_wait)
    sandbox.set_fault(slow, "slow:seconds=60")
    results = installation.crawl([slow, well])
    assert (results[slow].verdict.status, results[slow].verdict.reason) == (Status.FAILED, Reason.TIMEOUT)
    assert results[well].verdict.is_complete


def test_a_token_that_is_lost_for_one_costs_the_others_nothing(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, an error that no one thought of would end the crawl of thousands of accounts."""
    broken = sandbox.world.stores[0].customers[0].account
    installation.do(
        "insert into ops.credentials (source_system, partition_key, configured_sha256, access_token, renewed_at)"
        " values ('scalev', :key, :sha, 'not encrypted', now())",
        key=broken,
        sha=_fingerprint(installation),
    )
    results = installation.crawl()
    assert (results[broken].verdict.status, results[broken].verdict.reason) == (Status.FAILED, Reason.API_ERROR)
    assert "DecryptionError" in results[broken].verdict.words
    assert sum(result.verdict.is_complete for result in results.values()) == len(results) - 1


def _fingerprint(installation: Installation) -> str:
    import hashlib

    token = installation.settings.accounts.scalev.stores[0].customers[0].refresh_token
    assert token is not None
    return hashlib.sha256(token.get_secret_value().encode()).hexdigest()


def test_a_lost_database_ends_the_crawl(installation: Installation) -> None:
    """Without it, thousands of accounts would be fetched although nothing can be kept."""
    with installation.engine.begin() as connection:
        connection.execute(sa.text("alter table raw.order_pages rename to gone"))
    with pytest.raises(sa.exc.ProgrammingError, match="order_pages"):
        installation.crawl()


def test_no_accounts_are_no_error(installation: Installation) -> None:
    """Without it, a roster that is empty yet would fail the run."""
    assert installation.crawl([]) == {}


# From an error to a verdict

NOW = datetime(2026, 11, 1, tzinfo=UTC)

_ERRORS: dict[str, tuple[ApiError, int, str]] = {
    "transient at once": (TransientError(Reason.SERVER_ERROR, "w"), 0, "failed"),
    "transient later": (TransientError(Reason.TIMEOUT, "w"), 3, "incomplete"),
    "rate limit at once": (RateLimitedError("w", 3600), 0, "parked"),
    "rate limit later": (RateLimitedError("w", None), 3, "parked"),
    "sign-in at once": (SignInError(Reason.TOKEN_EXPIRED, "w"), 0, "failed"),
    "sign-in later": (SignInError(Reason.SIGN_IN_NEEDED, "w"), 3, "failed"),
    "account later": (AccountError(Reason.MEMBER_NOT_FOUND, "w"), 3, "failed"),
    "contract at once": (ContractError(Reason.BAD_ENVELOPE, "w"), 0, "failed"),
    "contract later": (ContractError(Reason.CURSOR_REJECTED, "w"), 1, "incomplete"),
}


@pytest.mark.parametrize(("error", "pages", "status"), _ERRORS.values(), ids=_ERRORS)
def test_an_error_becomes_a_verdict(error: ApiError, pages: int, status: str) -> None:
    """Without it, an account that gave half its pages could count as complete, or as having given nothing."""
    ended = verdict.of_error(error, pages=pages, now=NOW)
    assert (ended.status, ended.reason, ended.is_complete) == (status, error.reason, False)
    assert error.words in ended.words
    asked = isinstance(error, RateLimitedError) and error.retry_after_seconds is not None
    assert ended.resume_at == (NOW + timedelta(hours=1) if asked else None)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_verdict_becomes_an_account_state(reason: Reason) -> None:
    """Without it, nobody would be asked to sign in, or everybody after one bad day of the server."""
    state = verdict.account_state(Verdict(Status.FAILED, reason, ""))
    wanted = {Reason.TOKEN_EXPIRED: "needs_sign_in", Reason.SIGN_IN_NEEDED: "needs_sign_in"}
    wanted[Reason.MEMBER_NOT_FOUND] = "not_found"
    assert state == wanted.get(reason, "active")
    assert verdict.account_state(Verdict(Status.PARKED, Reason.RATE_LIMITED, "")) is None, "nothing was learnt"

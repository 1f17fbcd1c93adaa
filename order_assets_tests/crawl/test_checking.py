"""Checks of credentials against the sandbox's faults: told apart, asked once, and nothing spent or changed."""

from __future__ import annotations

import asyncio
import dataclasses
from types import TracebackType

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from order_assets.accounts_file import KtspMember, KtspProgramme, ScalevCustomer, ScalevStore
from order_assets.clients.http import RawPage
from order_assets.crawl import checking
from order_assets.crawl.checking import Chosen, Finding, GateOf, Outcome
from order_assets.crawl.credentials import fingerprint
from order_assets.crawl.session import Session
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets.settings import Settings
from order_assets_tests.crawl.parts import Clock, Installation
from order_assets_tests.crawl.rosters import OTHER_KEY, csv_of, do, import_text, rows_of, settings_of, with_key

LIFE = 900  # seconds an access token of the sandbox is good for
EVERYBODY: Chosen = {"scalev": None, "ktsp": None}


class CountingGate:
    """Counts how many requests are under way at once, and keeps nobody waiting."""

    def __init__(self) -> None:
        """Start with none."""
        self.now = self.most = self.passed = 0

    async def __aenter__(self) -> None:
        """Count in, and let the others come too."""
        self.now += 1
        self.passed += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count out."""
        self.now -= 1

    def heed(self, page: RawPage) -> None:
        """Nothing to slow down."""


def open_gate(_base_url: str, _max_in_flight: int, _requests_per_second: float) -> CountingGate:
    """Return a gate for tests that are not about the pace."""
    return CountingGate()


def _check(
    installation: Installation,
    chosen: Chosen = EVERYBODY,
    *,
    settings: Settings | None = None,
    gate_of: GateOf = open_gate,
) -> dict[str, Finding]:
    findings = checking.check_accounts(installation.engine, settings or installation.settings, chosen, gate_of=gate_of)
    return {finding.partition_key: finding for finding in findings}


def _first(installation: Installation) -> tuple[ScalevStore, ScalevCustomer, str]:
    store = installation.settings.accounts.scalev.stores[0]
    return store, store.customers[0], f"{store.store_id}/{store.customers[0].name}"


def _with_store(settings: Settings, store: ScalevStore) -> Settings:
    scalev = settings.accounts.scalev.model_copy(update={"stores": (store,)})
    return dataclasses.replace(settings, accounts=settings.accounts.model_copy(update={"scalev": scalev}))


def _with_programme(settings: Settings, programme: KtspProgramme) -> Settings:
    ktsp = settings.accounts.ktsp.model_copy(update={"programmes": (programme,)})
    return dataclasses.replace(settings, accounts=settings.accounts.model_copy(update={"ktsp": ktsp}))


def _refreshes(sandbox: RunningSandbox) -> int:
    return sum(sandbox.traffic()["refreshes"].values())


def test_valid_accounts_cost_one_small_request_each(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a check could cost as much as a crawl, or sign in to a programme once per member."""
    findings = _check(installation)
    assert list(findings) == sandbox.world.accounts
    assert {finding.outcome for finding in findings.values()} == {Outcome.VALID}
    assert all(finding.is_good for finding in findings.values())
    assert sandbox.requests() == dict.fromkeys(sandbox.world.accounts, 1)
    assert sandbox.traffic()["other"] == {"auth": 1}
    sizes = {account: len(sandbox.world.orders(account)) for account in sandbox.world.accounts}
    assert {key: (finding.orders, finding.has_more) for key, finding in findings.items()} == {
        account: (min(size, 1), size > 1) for account, size in sizes.items()
    }


@pytest.mark.parametrize(
    ("fault", "outcome", "reason", "is_good"),
    [
        ("token_expired", Outcome.EXPIRED, "token_expired", True),
        ("rate_limited", Outcome.RATE_LIMITED, "rate_limited", False),
        ("server_error", Outcome.ERROR, "server_error", False),
        ("server_error:status=503", Outcome.ERROR, "server_error", False),
        ("html_error:status=200", Outcome.ERROR, "bad_json", False),
        ("bad_envelope", Outcome.ERROR, "bad_envelope", False),
        ("disconnected", Outcome.UNREACHABLE, "server_error", False),
        ("truncated_body", Outcome.UNREACHABLE, "server_error", False),
    ],
)
def test_a_fault_of_a_customer_is_told_apart(
    fault: str, outcome: Outcome, reason: str, *, is_good: bool, installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a person would be asked to sign in again because a server was busy, or the other way round."""
    _, _, key = _first(installation)
    sandbox.set_fault(key, fault)
    findings = _check(installation)
    assert (findings[key].outcome, findings[key].reason, findings[key].is_good) == (outcome, reason, is_good)
    assert findings[key].words
    assert {finding.outcome for name, finding in findings.items() if name != key} == {Outcome.VALID}
    # aiohttp itself asks again where a connection that it had kept open broke.
    assert sandbox.requests()[key] == 1 or fault == "disconnected", "asked once, whatever came of it"
    assert _refreshes(sandbox) == 0


@pytest.mark.parametrize(
    ("fault", "outcome", "reason"),
    [
        ("member_not_found", Outcome.NOT_FOUND, "member_not_found"),
        ("rate_limited", Outcome.RATE_LIMITED, "rate_limited"),
        ("server_error", Outcome.ERROR, "server_error"),
        ("api_error:code=7", Outcome.ERROR, "api_error"),
        ("disconnected", Outcome.UNREACHABLE, "server_error"),
    ],
)
def test_a_fault_of_a_member_is_told_apart(
    fault: str, outcome: Outcome, reason: str, installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a member who left would look like a broken programme."""
    key = sandbox.world.members[1].account
    sandbox.set_fault(key, fault)
    findings = _check(installation)
    assert (findings[key].outcome, findings[key].reason, findings[key].is_good) == (outcome, reason, False)
    assert {finding.outcome for name, finding in findings.items() if name != key} == {Outcome.VALID}
    assert sandbox.requests()[key] == 1


def test_a_rate_limit_says_for_how_long(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the user would try again too soon, and be limited for longer."""
    _, _, key = _first(installation)
    sandbox.set_fault(key, "rate_limited:retry_after=17")
    assert _check(installation)[key].wait_seconds == 17
    sandbox.set_fault(key, "rate_limited")
    assert _check(installation)[key].wait_seconds is None


# Scalev: expired tokens


@pytest.mark.parametrize("missing", [None, "refresh_token", "storefront_key"])
def test_an_expired_token_says_whether_it_can_be_renewed(
    missing: str | None, installation: Installation, sandbox: RunningSandbox, clock: Clock
) -> None:
    """Without it, everybody would be asked to sign in again every 15 minutes, or nobody ever."""
    clock.now += LIFE
    store, customer, key = _first(installation)
    if missing == "refresh_token":
        customer = customer.model_copy(update={missing: None})
    store = store.model_copy(update={"customers": (customer,)})
    if missing == "storefront_key":
        store = store.model_copy(update={missing: None})
    settings = _with_store(installation.settings, store)
    found = _check(installation, {"scalev": None}, settings=settings)[key]
    assert (found.outcome, found.is_renewable) == (Outcome.EXPIRED, missing is None)
    assert found.is_good == (missing is None)
    assert _refreshes(sandbox) == 0


def test_the_renewed_token_is_sent(installation: Installation, sandbox: RunningSandbox, clock: Clock) -> None:
    """Without it, every account that was renewed once would look expired."""
    clock.now += LIFE
    _, customer, key = _first(installation)
    fresh = sandbox.tokens(key)["access"]
    _store_tokens(installation, key, customer, access=fresh)
    findings = _check(installation, {"scalev": None})
    assert {name for name, finding in findings.items() if finding.outcome is Outcome.VALID} == {key}
    assert customer.refresh_token is not None
    signed_in = customer.model_copy(update={"refresh_token": SecretStr("of a new sign-in")})
    settings = _with_store(
        installation.settings, _first(installation)[0].model_copy(update={"customers": (signed_in,)})
    )
    found = _check(installation, {"scalev": None}, settings=settings)[key]
    assert found.outcome is Outcome.EXPIRED, "other tokens were configured since"


def _store_tokens(
    installation: Installation, key: str, customer: ScalevCustomer, *, access: str | None, sent: bool = False
) -> None:
    do(
        installation.engine,
        "insert into ops.credentials (source_system, partition_key, configured_sha256, access_token, refresh_sent_at)"
        " values ('scalev', :key, :print, :access, case when :sent then now() end)",
        key=key,
        print=fingerprint(customer),
        access=None if access is None else installation.vault.seal(access),
        sent=sent,
    )


def test_a_spent_refresh_token_cannot_renew(installation: Installation, sandbox: RunningSandbox, clock: Clock) -> None:
    """Without it, an account would be called renewable whose next crawl is bound to fail."""
    clock.now += LIFE
    _, customer, key = _first(installation)
    _store_tokens(installation, key, customer, access=None, sent=True)
    findings = _check(installation, {"scalev": None})
    assert [name for name, finding in findings.items() if not finding.is_renewable] == [key]
    assert _refreshes(sandbox) == 0


def test_a_refused_refresh_token_cannot_renew(installation: Installation, clock: Clock) -> None:
    """Without it, a revoked sign-in would be called renewable for ever."""
    clock.now += LIFE
    _, _, key = _first(installation)
    do(
        installation.engine,
        "insert into ops.crawls (source_system, partition_key, mode, started_at, status, reason, run_id)"
        " values ('scalev', :key, 'full', now(), 'failed', 'sign_in_needed', 'r')",
        key=key,
    )
    assert _check(installation, {"scalev": [key]})[key].is_renewable, "new tokens were imported since"
    do(installation.engine, "update ops.accounts set state = 'needs_sign_in' where partition_key = :key", key=key)
    assert not _check(installation, {"scalev": [key]})[key].is_renewable


# KTSP: whose token is refused


def test_a_refused_sign_in_is_tried_once_and_concerns_its_members(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a wrong app_secret would be sent once per member, and lock the application out."""
    programme = installation.settings.accounts.ktsp.programmes[0]
    own = KtspMember(member_id=programme.members[0].member_id, token=SecretStr(sandbox.state.tokens.issue_ktsp()))
    wrong = programme.model_copy(update={"app_secret": SecretStr("wrong"), "members": (own, *programme.members[1:])})
    findings = list(
        _check(installation, {"ktsp": None}, settings=_with_programme(installation.settings, wrong)).values()
    )
    assert findings[0].outcome is Outcome.VALID, "it has a token of its own"
    assert {finding.outcome for finding in findings[1:]} == {Outcome.EXPIRED}
    assert {finding.is_renewable for finding in findings[1:]} == {False}
    assert {finding.words for finding in findings[1:]} == {"the app_key and app_secret are refused (401)"}
    assert sandbox.traffic()["other"]["auth"] == 1


def test_a_dead_token_of_a_member_or_programme_says_what_helps(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a token that renews itself would look like one that a person has to replace."""
    programme = installation.settings.accounts.ktsp.programmes[0]
    dead = SecretStr("dead")
    own = KtspMember(member_id=programme.members[0].member_id, token=dead)
    both = programme.model_copy(update={"token": dead, "members": (own, programme.members[1])})
    findings = _check(installation, {"ktsp": None}, settings=_with_programme(installation.settings, both)).values()
    assert [(finding.outcome, finding.is_renewable) for finding in findings] == [
        (Outcome.EXPIRED, False),
        (Outcome.EXPIRED, True),
    ]
    fixed = both.model_copy(update={"app_secret": None, "members": programme.members[1:2]})
    (found,) = _check(installation, {"ktsp": None}, settings=_with_programme(installation.settings, fixed)).values()
    assert (found.outcome, found.is_renewable) == (Outcome.EXPIRED, False)
    assert "auth" not in sandbox.traffic()["other"]


def test_a_token_that_was_just_made_is_not_called_renewable(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a member whom the programme may not read would be thought to mend itself."""
    key = sandbox.world.members[0].account
    sandbox.set_fault(key, "token_expired")
    found = _check(installation, {"ktsp": [key]})[key]
    assert (found.outcome, found.is_renewable) == (Outcome.EXPIRED, False)


# Everything


def test_an_api_that_is_not_there_is_unreachable(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a slip in base_url would look like thousands of dead tokens."""
    scalev = installation.settings.accounts.scalev.model_copy(update={"base_url": "http://127.0.0.1:9"})
    accounts = installation.settings.accounts.model_copy(update={"scalev": scalev})
    findings = _check(installation, settings=dataclasses.replace(installation.settings, accounts=accounts))
    outcomes = {key: finding.outcome for key, finding in findings.items()}
    members = {member.account for member in sandbox.world.members}
    assert {outcome for key, outcome in outcomes.items() if key in members} == {Outcome.VALID}
    assert {outcome for key, outcome in outcomes.items() if key not in members} == {Outcome.UNREACHABLE}


def test_only_the_chosen_are_asked_and_nobody_who_is_retired(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a question about one account would ask for thousands."""
    _, _, key = _first(installation)
    other = sandbox.world.accounts[1]
    do(installation.engine, "update ops.accounts set state = 'retired' where partition_key = :key", key=other)
    assert list(_check(installation, {"scalev": [key, other]})) == [key]
    assert set(sandbox.requests()) == {key}
    assert other not in _check(installation)


def test_a_check_changes_nothing(installation: Installation, sandbox: RunningSandbox, clock: Clock) -> None:
    """Without it, a look could spend a refresh token, or overwrite what the last crawl found."""
    clock.now += LIFE
    do(installation.engine, "update ops.accounts set state = 'not_found'")
    tables = ("accounts", "credentials", "crawls", "sources")
    look = [f"select t::text, t.xmin::text from ops.{table} as t order by 1" for table in tables]  # noqa: S608 - literals
    before = [rows_of(installation.engine, query) for query in look]
    with Session(installation.engine) as session:
        gate_of = checking.shared_gates(installation.engine, session, installation.settings)
        findings = _check(installation, gate_of=gate_of)
    assert {finding.outcome for finding in findings.values()} == {Outcome.EXPIRED, Outcome.VALID}
    assert [rows_of(installation.engine, query) for query in look] == before
    assert _refreshes(sandbox) == 0


def test_no_finding_shows_a_token(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the table of a check could not be sent to anybody."""
    store, customer, key = _first(installation)
    odd = customer.model_copy(update={"access_token": SecretStr("canary\n\u00e9")})
    settings = _with_store(installation.settings, store.model_copy(update={"customers": (odd, *store.customers[1:])}))
    for who, fault in zip(sandbox.world.accounts[1:], ("token_expired", "bad_envelope", "disconnected"), strict=False):
        sandbox.set_fault(who, fault)
    findings = _check(installation, settings=settings)
    shown = str(list(findings.values()))
    assert findings[key].outcome is not Outcome.VALID
    secrets = [who.access_token.get_secret_value() for who in store.customers]
    assert not [secret for secret in ("canary", *secrets) if secret in shown]


def test_imported_accounts_are_checked(engine: sa.Engine, sandbox: RunningSandbox) -> None:
    """Without it, the accounts that a check is for, thousands of imported ones, would not be among them."""
    settings = settings_of(f'[scalev]\nbase_url = "{sandbox.base_url}"')
    import_text(engine, settings, sandbox.accounts_toml(), "more.toml")
    findings = _check(Installation(engine, settings))
    assert {key: finding.outcome for key, finding in findings.items()} == dict.fromkeys(
        sandbox.world.accounts, Outcome.VALID
    )


def test_an_account_that_cannot_be_asked_for_is_an_error(engine: sa.Engine) -> None:
    """Without it, accounts whose store is gone would be missing from the list, as if they were in order."""
    own = settings_of('[[scalev.stores]]\nstore_id = "s"\n')
    import_text(engine, own, csv_of(["scalev,s,c-1,a"], "access_token"))
    found = _check(Installation(engine, settings_of()))["s/c-1"]
    assert (found.outcome, found.is_good) == (Outcome.ERROR, False)
    assert "the store s is neither in the accounts file nor imported" in found.words


def test_a_renewed_token_under_a_missing_key_is_an_error(installation: Installation) -> None:
    """Without it, one row under an old key would stop the check of everybody else."""
    _, customer, key = _first(installation)
    _store_tokens(installation, key, customer, access="a")
    settings = with_key(installation.settings, OTHER_KEY)
    findings = _check(installation, settings=settings)
    assert "ORDER_ASSETS_ENCRYPTION_KEY" in findings[key].words
    assert {finding.outcome for name, finding in findings.items() if name != key} == {Outcome.VALID}


def test_many_are_asked_at_once_within_the_limit(engine: sa.Engine) -> None:
    """Without it, a check of ten thousand accounts would take hours, or run into the API's limits."""
    spec = WorldSpec(stores=2, customers_per_store=30, members=0, orders_per_account=1)
    with serve(spec, Options(latency_ms=5)) as sandbox:
        installation = Installation.of(engine, sandbox)
        scalev = installation.settings.accounts.scalev.model_copy(update={"max_in_flight": 6})
        accounts = installation.settings.accounts.model_copy(update={"scalev": scalev})
        settings = dataclasses.replace(installation.settings, accounts=accounts)
        gate = CountingGate()
        asked: list[tuple[str, int, float]] = []

        def gate_of(base_url: str, max_in_flight: int, requests_per_second: float) -> CountingGate:
            asked.append((base_url, max_in_flight, requests_per_second))
            return gate

        findings = _check(installation, {"scalev": None}, settings=settings, gate_of=gate_of)
    assert asked == [(sandbox.base_url, 6, scalev.requests_per_second)]
    assert (len(findings), gate.passed, gate.most) == (60, 60, 6)


def test_progress_is_told_account_by_account(installation: Installation) -> None:
    """Without it, a long check would look stuck."""
    heard: list[object] = []
    findings = checking.check_accounts(
        installation.engine,
        installation.settings,
        EVERYBODY,
        gate_of=open_gate,
        on_start=heard.append,
        on_finding=heard.append,
    )
    assert heard[0] == {"scalev": 10, "ktsp": 5}
    assert {finding.partition_key for finding in heard[1:] if isinstance(finding, Finding)} == {
        finding.partition_key for finding in findings
    }
    assert len(heard) == 16

"""Tokens against the sandbox: renewed when needed, spent once, kept before use, and never in plain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import sqlalchemy as sa

from order_assets.accounts_file import KtspMember, KtspProgramme, ScalevCustomer, ScalevStore
from order_assets.clients.errors import ApiError, Reason, SignInError, TransientError
from order_assets.clients.http import Http, http_client
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl.credentials import KtspCredential, KtspSignIn, ScalevCredential
from order_assets.crawl.encryption import Vault
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets_tests.crawl.parts import Clock, Installation

T = TypeVar("T")
LIFE = 900  # seconds an access token of the sandbox is good for


def _first(installation: Installation) -> tuple[ScalevStore, ScalevCustomer]:
    store = installation.settings.accounts.scalev.stores[0]
    return store, store.customers[0]


def _account(installation: Installation) -> str:
    store, customer = _first(installation)
    return f"{store.store_id}/{customer.name}"


def _with_credential(
    installation: Installation,
    act: Callable[[ScalevCredential], Awaitable[T]],
    *,
    store: ScalevStore | None = None,
    customer: ScalevCustomer | None = None,
) -> T:
    """Act with a credential as a new process has it."""
    mine = _first(installation)

    async def main() -> T:
        async with http_client(installation.settings.accounts.scalev.base_url, connections=4) as http:
            client = ScalevClient(Http(http), retry=installation.retry)
            made = ScalevCredential(
                installation.engine, installation.vault, client, store or mine[0], customer or mine[1]
            )
            return await act(made)

    return asyncio.run(main())


async def _token(credential: ScalevCredential) -> str:
    return await credential.access_token()


async def _renewed(credential: ScalevCredential) -> str:
    return await credential.renew(await credential.access_token())


def _refreshes(sandbox: RunningSandbox) -> int:
    return sum(sandbox.traffic()["refreshes"].values())


def _outcomes(installation: Installation, only: list[str], at_once: int = 8) -> list[tuple[str, str]]:
    results = installation.crawl(only, at_once=at_once)
    return [(str(results[key].verdict.status), str(results[key].verdict.reason)) for key in only]


# Scalev


def test_a_good_token_is_sent_as_it_is(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, every crawl would spend a refresh token for nothing."""
    assert _with_credential(installation, _token) == _first(installation)[1].access_token.get_secret_value()
    assert _refreshes(sandbox) == 0
    assert installation.rows("select * from ops.credentials") == []


def test_an_expired_token_is_renewed_within_the_crawl(
    installation: Installation, sandbox: RunningSandbox, clock: Clock
) -> None:
    """Without it, every account would fail 15 minutes after the sign-in."""
    clock.now += LIFE
    account = _account(installation)
    result = installation.crawl([account])[account]
    assert (result.verdict.is_complete, result.orders_seen) == (True, len(sandbox.world.orders(account)))
    assert _refreshes(sandbox) == 1
    assert result.requests == sandbox.traffic()["total"], "refused requests and refreshes count as well"


def test_a_token_is_renewed_in_the_middle_of_a_walk(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a history of many pages would end where the token does."""
    account = sandbox.world.stores[0].customers[1].account
    sandbox.set_fault(account, "token_expired:from_page=1:times=1")
    result = installation.crawl([account])[account]
    assert (result.verdict.is_complete, result.duplicates) == (True, 0)
    assert result.orders_seen == len(sandbox.world.orders(account)) > 25
    assert _refreshes(sandbox) == 1


@pytest.mark.parametrize(("life", "refreshes"), [(30, 2), (LIFE, 1)])
def test_a_token_is_renewed_before_it_expires(engine: sa.Engine, life: int, refreshes: int) -> None:
    """Without it, each token would cost one refused request, or be renewed long before its end."""
    with serve(WorldSpec(stores=1, customers_per_store=1, members=0), Options(access_seconds=life)) as sandbox:
        installation = Installation.of(engine, sandbox)

        async def renew_and_ask(credential: ScalevCredential) -> bool:
            return await _renewed(credential) == await credential.access_token()

        assert _with_credential(installation, renew_and_ask) is (refreshes == 1)
        assert _refreshes(sandbox) == refreshes
        assert sandbox.requests() == {}


def test_renewed_tokens_are_kept_before_they_are_used(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a crash after the refresh would cost the customer a new sign-in."""
    renewed = _with_credential(installation, _renewed)
    assert sandbox.requests() == {}, "no order request yet"
    assert _with_credential(installation, _token) == renewed, "the next process goes on with it"
    again = _with_credential(installation, _renewed)
    assert again != renewed
    assert _refreshes(sandbox) == 2, "the rotated refresh token was the one that was spent"


def test_no_token_is_readable_in_the_database(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a copy of the database would open every customer's history."""
    renewed = _with_credential(installation, _renewed)
    customer = _first(installation)[1]
    assert customer.refresh_token is not None
    secrets = [renewed, customer.access_token.get_secret_value(), customer.refresh_token.get_secret_value()]
    (row,) = installation.rows("select * from ops.credentials")
    stored = " ".join(
        value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in map(_plain, row.values())
    )
    assert row["partition_key"] == _account(installation)
    assert not any(secret in stored or secret.split(".")[1] in stored for secret in secrets)
    assert Vault(installation.settings.keys.encryption).open_text(row["access_token"]).get_secret_value() == renewed
    assert sandbox.traffic()["refreshes"] == {_account(installation): 1}


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value


def test_two_tasks_spend_one_refresh(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the second would send a spent token, which revokes the whole family."""

    async def both(credential: ScalevCredential) -> set[str]:
        twin = ScalevCredential(
            credential.engine, credential.vault, credential.client, credential.store, credential.customer
        )
        refused = await credential.access_token()
        return set(await asyncio.gather(credential.renew(refused), twin.renew(refused), credential.renew(refused)))

    assert len(_with_credential(installation, both)) == 1
    assert _refreshes(sandbox) == 1


def test_two_processes_spend_one_refresh(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, two runs at the same time would lock the customer out."""
    refused = _first(installation)[1].access_token.get_secret_value()

    def renew(_number: int) -> str:
        return _with_credential(installation, lambda credential: credential.renew(refused))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(renew, range(4)))) == 1
    assert _refreshes(sandbox) == 1


def test_many_accounts_renew_at_once(engine: sa.Engine) -> None:
    """Without it, renewals could take every connection and every thread, and wait for each other for ever."""
    clock = Clock()
    spec = WorldSpec(stores=1, customers_per_store=40, members=0, orders_per_account=1)
    with serve(spec, Options(clock=clock, latency_ms=5)) as sandbox:
        installation = Installation.of(engine, sandbox)
        clock.now += LIFE
        outcomes = _outcomes(installation, sandbox.world.accounts, at_once=40)
        assert outcomes == [("complete", "ok")] * 40
        assert _refreshes(sandbox) == 40


def test_a_new_sign_in_wins_over_stored_tokens(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, new tokens in the accounts file would be ignored for the dead ones in the database."""
    _with_credential(installation, _renewed)
    store, customer = _first(installation)
    fresh = sandbox.tokens(_account(installation))
    signed_in = ScalevCustomer.model_validate(
        {"name": customer.name, "access_token": fresh["access"], "refresh_token": fresh["refresh"]}
    )
    assert _with_credential(installation, _token, customer=signed_in) == fresh["access"]
    renewed = _with_credential(installation, _renewed, customer=signed_in)
    assert renewed != fresh["access"]
    assert _with_credential(installation, _token, store=store, customer=signed_in) == renewed
    assert len(installation.rows("select * from ops.credentials")) == 1


@pytest.mark.parametrize("missing", ["refresh_token", "storefront_key"])
def test_a_token_that_cannot_be_renewed_says_what_is_missing(
    missing: str, installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, the user would be told to sign in again although a line in the file is missing."""
    store, customer = _first(installation)
    if missing == "refresh_token":
        customer = customer.model_copy(update={missing: None})
    else:
        store = store.model_copy(update={missing: None})
    with pytest.raises(SignInError, match=f"{missing}") as caught:
        _with_credential(installation, _renewed, store=store, customer=customer)
    assert caught.value.reason is Reason.TOKEN_EXPIRED
    assert _refreshes(sandbox) == 0


def test_a_revoked_family_needs_a_sign_in(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a dead token would be tried for ever, and nobody told."""
    account = _account(installation)
    customer = _first(installation)[1]
    assert customer.refresh_token is not None
    sandbox.state.tokens.revoke([customer.refresh_token.get_secret_value()])
    assert _outcomes(installation, [account]) == [("failed", "sign_in_needed")]
    assert installation.rows("select state from ops.accounts where partition_key = :key", key=account) == [
        {"state": "needs_sign_in"}
    ]


def test_a_lost_answer_to_a_refresh_is_not_asked_again(
    installation: Installation, sandbox: RunningSandbox, clock: Clock
) -> None:
    """Without it, a blind retry would send a spent token and revoke the family."""
    account = _account(installation)
    clock.now += LIFE
    sandbox.set_fault(account, "refresh_response_lost")
    assert _outcomes(installation, [account]) == [("failed", "sign_in_needed")]
    assert _refreshes(sandbox) == 1
    sandbox.clear_faults()
    assert _outcomes(installation, [account]) == [("failed", "sign_in_needed")]
    assert _refreshes(sandbox) == 1, "nor by a later run"


def test_a_process_that_died_during_a_refresh_leaves_the_token_unsent(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, the run after a kill would send the spent token again and revoke the family."""
    account = _account(installation)

    async def die(credential: ScalevCredential) -> None:
        connection = await asyncio.to_thread(credential._locked)
        current = await asyncio.to_thread(credential._read, connection)
        await asyncio.to_thread(credential._write, connection, current, sent=True)
        await asyncio.to_thread(credential._unlock, connection)

    _with_credential(installation, die)
    sandbox.set_fault(account, "token_expired")
    assert _outcomes(installation, [account]) == [("failed", "sign_in_needed")]
    assert _refreshes(sandbox) == 0


def test_a_refresh_that_never_reached_the_api_may_be_sent_again(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, an API that is down for a minute would cost every customer a new sign-in."""

    async def nobody_listens(credential: ScalevCredential) -> str:
        async with http_client("http://127.0.0.1:9", connections=1) as nowhere:
            credential.client = ScalevClient(Http(nowhere), retry=installation.retry)
            return await _renewed(credential)

    with pytest.raises(TransientError):
        _with_credential(installation, nobody_listens)
    assert _with_credential(installation, _renewed)
    assert _refreshes(sandbox) == 1


def test_a_failed_refresh_leaves_the_lock_free(
    installation: Installation, sandbox: RunningSandbox, clock: Clock
) -> None:
    """Without it, one lost answer would block the customer until the process ends."""
    account = _account(installation)
    clock.now += LIFE
    sandbox.set_fault(account, "sign_in_needed")
    assert _outcomes(installation, [account]) == [("failed", "sign_in_needed")]
    sandbox.clear_faults()
    assert _outcomes(installation, [account]) == [("complete", "ok")]


def test_an_error_of_a_refresh_shows_no_token(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a refused token would be printed into the run's log."""
    sandbox.set_fault(_account(installation), "sign_in_needed")
    customer = _first(installation)[1]
    assert customer.refresh_token is not None
    with pytest.raises(ApiError) as caught:
        _with_credential(installation, _renewed)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.words}"
    assert customer.refresh_token.get_secret_value() not in shown
    assert customer.access_token.get_secret_value() not in shown


# KTSP


def _members(sandbox: RunningSandbox) -> list[str]:
    return [member.account for member in sandbox.world.members]


def test_the_programme_signs_in_once(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, thousands of members would mean thousands of sign-ins."""
    assert _outcomes(installation, _members(sandbox)) == [("complete", "ok")] * 5
    assert sandbox.traffic()["other"] == {"auth": 1}


def test_the_programme_signs_in_again_when_refused(
    installation: Installation, sandbox: RunningSandbox, clock: Clock
) -> None:
    """Without it, every member after the token's unknown end would fail, or each would sign in anew."""

    async def main() -> list[str]:
        programme = installation.settings.accounts.ktsp.programmes[0]
        async with http_client(programme.base_url, connections=4) as http:
            client = KtspClient(Http(http), programme.app_key.get_secret_value(), retry=installation.retry)
            sign_in = KtspSignIn(client, programme)
            work = installation.ktsp_work(client, programme)
            first = await sign_in.token()
            clock.now += LIFE
            members = [KtspCredential(sign_in, member) for member in programme.members]
            tokens = await asyncio.gather(*(member.renew(first) for member in members))
            assert len(work) == len(members)
            return [first, *tokens]

    first, *renewed = asyncio.run(main())
    assert len(set(renewed)) == 1
    assert renewed[0] != first
    assert sandbox.traffic()["other"] == {"auth": 2}


def _reconfigured(installation: Installation, programme: KtspProgramme) -> None:
    accounts = installation.settings.accounts
    ktsp = accounts.ktsp.model_copy(update={"programmes": (programme,)})
    installation.settings = type(installation.settings)(
        state=installation.settings.state,
        accounts_path=None,
        accounts=accounts.model_copy(update={"ktsp": ktsp}),
        keys=installation.settings.keys,
        database_url=None,
    )


def test_a_member_can_have_a_token_of_its_own(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a member's own token would be replaced by the programme's, or one bad token hurt the others."""
    programme = installation.settings.accounts.ktsp.programmes[0]
    own = KtspMember.model_validate(
        {"member_id": programme.members[0].member_id, "token": sandbox.state.tokens.issue_ktsp()}
    )
    bad = KtspMember.model_validate({"member_id": programme.members[1].member_id, "token": "bad"})
    _reconfigured(
        installation, programme.model_copy(update={"members": (own, bad, programme.members[2]), "app_secret": None})
    )
    assert _outcomes(installation, _members(sandbox)[:3]) == [
        ("complete", "ok"),
        ("failed", "sign_in_needed"),
        ("failed", "sign_in_needed"),
    ]
    assert "auth" not in sandbox.traffic()["other"]


def test_wrong_application_credentials_fail_every_member_politely(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a wrong secret would stop the Scalev accounts as well."""
    programme = installation.settings.accounts.ktsp.programmes[0]
    wrong = KtspProgramme.model_validate(
        {"name": programme.name, "base_url": programme.base_url, "app_key": "wrong", "app_secret": "wrong"}
    )
    _reconfigured(installation, wrong.model_copy(update={"members": programme.members}))
    outcomes = _outcomes(installation, [*_members(sandbox), _account(installation)])
    assert {status for status, _ in outcomes[:-1]} == {"failed"}
    assert {reason for _, reason in outcomes[:-1]} <= {"sign_in_needed", "token_expired"}
    assert outcomes[-1] == ("complete", "ok")

"""`order-assets accounts check`: one cheap request per account, to see whose credentials still work.

Nothing is renewed and nothing is stored: a refresh token is single-use, and a look must not spend it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from order_assets.accounts_file import (
    KINDS,
    KtspMember,
    KtspProgramme,
    KtspSection,
    ScalevCustomer,
    ScalevSection,
    ScalevStore,
)
from order_assets.clients.errors import AccountError, ApiError, RateLimitedError, Reason, SignInError
from order_assets.clients.http import Gate, Http, RetryPolicy, http_client
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import PageFacts
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl.credentials import KtspSignIn, fingerprint
from order_assets.crawl.encryption import DecryptionError, Vault
from order_assets.crawl.limiter import SharedGate
from order_assets.crawl.roster import Roster, effective, is_one_of
from order_assets.crawl.session import Session
from order_assets.settings import Settings, SourceSystem
from order_assets.warehouse.ledger_schema import accounts, crawls, credentials

_ONE_TRY = RetryPolicy(attempts=1)
_NEVER_CONNECTED = "connection failed"  # how clients.http begins its words where no answer came at all

GateOf = Callable[[str, int, float], Gate]
"""Makes the gate to an address, for so many requests in flight and starts per second."""


def shared_gates(engine: sa.Engine, session: Session, settings: Settings) -> GateOf:
    """Return gates that keep to the limits together with the crawls of all processes."""

    def gate(base_url: str, max_in_flight: int, requests_per_second: float) -> Gate:
        return SharedGate(
            engine,
            session,
            base_url,
            max_in_flight=max_in_flight,
            requests_per_second=requests_per_second,
            patience_seconds=settings.accounts.crawl.patience_seconds,
        )

    return gate


class Outcome(StrEnum):
    """What a check found; stable, for programs."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found of one account.

    `is_renewable`: of an expired one, whether the next crawl can renew it, or a person has to sign in again.
    `wait_seconds`: what a rate limit asked for, if it said so. `orders` and `has_more`: the first page of one order.
    """

    source_system: SourceSystem
    partition_key: str
    outcome: Outcome
    reason: str = Reason.OK
    words: str = ""
    is_renewable: bool | None = None
    wait_seconds: float | None = None
    orders: int | None = None
    has_more: bool | None = None

    @property
    def is_good(self) -> bool:
        """Whether the next crawl can go ahead without a person doing anything."""
        return self.outcome is Outcome.VALID or bool(self.is_renewable)


@dataclass(frozen=True, slots=True)
class _Probe:
    """One account to ask: the request, and whether an expired token of it could be renewed."""

    source_system: SourceSystem
    partition_key: str
    ask: Callable[[], Awaitable[PageFacts]]
    can_renew: bool


@dataclass(frozen=True, slots=True)
class CurrentTokens:
    """The tokens of a Scalev customer as they are now. `is_spent`: the refresh token is used up or was refused."""

    sealed_access: bytes | None
    is_spent: bool

    def access_token(self, customer: ScalevCustomer, vault: Vault) -> str:
        """Return the access token: the renewed one, else the configured one.

        Raises:
            DecryptionError: it was encrypted with a key that is not configured.
        """
        sealed = self.sealed_access
        return (customer.access_token if sealed is None else vault.open_text(sealed)).get_secret_value()


Chosen = Mapping[SourceSystem, Collection[str] | None]
"""The accounts to check by source; None is every account of the source."""


def check_accounts(
    engine: sa.Engine,
    settings: Settings,
    chosen: Chosen,
    *,
    gate_of: GateOf,
    on_start: Callable[[Mapping[str, int]], None] = lambda _: None,
    on_finding: Callable[[Finding], None] = lambda _: None,
) -> list[Finding]:
    """Ask the API for each account's newest order, and return what came of it in the order of the roster.

    `on_start` is told how many accounts there are by source, `on_finding` each finding as it is made; both in this
    thread. Retired accounts are left alone.

    Raises:
        DecryptionError: imported tokens were encrypted with a key that is not configured.
    """
    vault = Vault(settings.keys.encryption)
    with engine.connect().execution_options(postgresql_readonly=True) as connection:
        rosters = {system: effective(connection, settings, vault, system, keys) for system, keys in chosen.items()}
        current = current_tokens(connection, rosters["scalev"]) if "scalev" in rosters else {}
    findings: dict[tuple[str, str], Finding] = {}

    def report(finding: Finding) -> None:
        findings[finding.source_system, finding.partition_key] = finding
        on_finding(finding)

    order = [
        (system, key) for system, roster in rosters.items() for key in [*keys_of(system, roster), *roster.left_out]
    ]
    on_start({system: sum(source == system for source, _ in order) for system in rosters})
    for system, roster in rosters.items():
        for key in roster.left_out:
            report(Finding(system, key, Outcome.ERROR, Reason.SIGN_IN_NEEDED, "; ".join(roster.warnings)))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            if "scalev" in rosters:
                section = rosters["scalev"].sections.scalev
                group.create_task(_check_scalev(section, current, vault, gate_of, report))
            if "ktsp" in rosters:
                group.create_task(_check_ktsp(rosters["ktsp"].sections.ktsp, gate_of, report))

    asyncio.run(main())
    return [findings[key] for key in order]


def keys_of(system: SourceSystem, roster: Roster) -> list[str]:
    """Return the partition keys of a roster's accounts."""
    kind = KINDS[system]
    return [
        f"{getattr(source, kind.source_name)}/{getattr(person, kind.person_name)}"
        for source in getattr(getattr(roster.sections, system), kind.sources)
        for person in getattr(source, kind.people)
    ]


def current_tokens(connection: sa.Connection, roster: Roster) -> dict[str, CurrentTokens]:
    """Return the tokens that were renewed since they were configured or imported, and which can be renewed no more."""
    configured = {
        f"{store.store_id}/{customer.name}": fingerprint(customer)
        for store in roster.sections.scalev.stores
        for customer in store.customers
    }
    stored = connection.execute(
        sa.select(credentials).where(
            credentials.c.source_system == "scalev", is_one_of(credentials.c.partition_key, configured)
        )
    )
    renewed = {row.partition_key: row for row in stored if row.configured_sha256 == configured[row.partition_key]}
    latest = (
        sa.select(crawls.c.reason)
        .where(crawls.c.source_system == accounts.c.source_system, crawls.c.partition_key == accounts.c.partition_key)
        .order_by(crawls.c.crawl_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    refused = set(
        connection.execute(
            sa.select(accounts.c.partition_key).where(
                accounts.c.source_system == "scalev",
                accounts.c.state == "needs_sign_in",
                latest == Reason.SIGN_IN_NEEDED.value,
            )
        ).scalars()
    )
    return {
        key: CurrentTokens(
            sealed_access=renewed[key].access_token if key in renewed else None,
            is_spent=key in refused or (key in renewed and renewed[key].refresh_sent_at is not None),
        )
        for key in configured
    }


# Asking


async def _check_scalev(
    section: ScalevSection,
    current: Mapping[str, CurrentTokens],
    vault: Vault,
    gate_of: GateOf,
    report: Callable[[Finding], None],
) -> None:
    gate = gate_of(section.base_url, section.max_in_flight, section.requests_per_second)
    async with http_client(section.base_url, connections=section.max_in_flight) as http:
        client = ScalevClient(Http(http, gate), page_size=1, retry=_ONE_TRY)
        probes = [
            _scalev_probe(client, store, customer, current[f"{store.store_id}/{customer.name}"], vault)
            for store in section.stores
            for customer in store.customers
        ]
        await _ask_each(probes, section.max_in_flight, report)


def _scalev_probe(
    client: ScalevClient, store: ScalevStore, customer: ScalevCustomer, current: CurrentTokens, vault: Vault
) -> _Probe:
    async def ask() -> PageFacts:
        _, facts = await client.orders_page(store.store_id, current.access_token(customer, vault), None)
        return facts

    can_renew = customer.refresh_token is not None and store.storefront_key is not None and not current.is_spent
    return _Probe("scalev", f"{store.store_id}/{customer.name}", ask, can_renew)


async def _check_ktsp(section: KtspSection, gate_of: GateOf, report: Callable[[Finding], None]) -> None:
    for programme in section.programmes:
        gate = gate_of(programme.base_url, section.max_in_flight, section.requests_per_second)
        async with http_client(programme.base_url, connections=section.max_in_flight) as http:
            client = KtspClient(Http(http, gate), programme.app_key.get_secret_value(), page_size=1, retry=_ONE_TRY)
            sign_in = OneSignIn(KtspSignIn(client, programme))
            probes = [
                _ktsp_probe(client, programme, member, sign_in, section.first_page) for member in programme.members
            ]
            await _ask_each(probes, section.max_in_flight, report)


class OneSignIn:
    """The sign-in of a programme, tried once, whatever comes of it."""

    def __init__(self, sign_in: KtspSignIn) -> None:
        """Wait until the first member needs it."""
        self._sign_in = sign_in
        self._turn = asyncio.Lock()
        self._token: str | None = None
        self._error: ApiError | None = None

    async def token(self) -> str:
        """Return the programme's token.

        Raises:
            ApiError: the sign-in failed, now or before.
        """
        async with self._turn:
            if self._error is not None:
                raise self._error
            if self._token is None:
                try:
                    self._token = await self._sign_in.token()
                except ApiError as error:
                    self._error = error
                    raise
            return self._token


def _ktsp_probe(
    client: KtspClient, programme: KtspProgramme, member: KtspMember, sign_in: OneSignIn, first_page: int
) -> _Probe:
    async def ask() -> PageFacts:
        token = await sign_in.token() if member.token is None else member.token.get_secret_value()
        _, facts = await client.orders_page(member.member_id, token, first_page)
        return facts

    # A fixed token of the programme can be replaced by a sign-in; one that was just made cannot.
    can_renew = member.token is None and programme.token is not None and programme.app_secret is not None
    return _Probe("ktsp", f"{programme.name}/{member.member_id}", ask, can_renew)


async def _ask_each(probes: Sequence[_Probe], at_once: int, report: Callable[[Finding], None]) -> None:
    queue = list(reversed(probes))

    async def worker() -> None:
        while queue:
            report(await _finding(queue.pop()))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(probes))):
            group.create_task(worker())


async def _finding(probe: _Probe) -> Finding:
    blank = Finding(probe.source_system, probe.partition_key, Outcome.ERROR)
    try:
        facts = await probe.ask()
    except ApiError as error:
        return dataclasses.replace(blank, reason=error.reason, words=error.words, **_meaning(error, probe))
    except DecryptionError as error:
        return dataclasses.replace(blank, reason=Reason.SIGN_IN_NEEDED, words=str(error))
    except Exception as error:  # noqa: BLE001 - one account's surprise must not stop the others
        return dataclasses.replace(blank, reason=Reason.API_ERROR, words=f"unexpected {type(error).__name__}")
    return dataclasses.replace(blank, outcome=Outcome.VALID, orders=len(facts.keys), has_more=facts.more)


def _meaning(error: ApiError, probe: _Probe) -> dict[str, Any]:
    """Return the outcome that an error stands for, with what belongs to it."""
    if isinstance(error, SignInError):
        return {"outcome": Outcome.EXPIRED, "is_renewable": probe.can_renew}
    if isinstance(error, RateLimitedError):
        return {"outcome": Outcome.RATE_LIMITED, "wait_seconds": error.retry_after_seconds}
    if isinstance(error, AccountError):
        return {"outcome": Outcome.NOT_FOUND}
    if error.reason is Reason.TIMEOUT or error.words.startswith(_NEVER_CONNECTED):
        return {"outcome": Outcome.UNREACHABLE}
    return {"outcome": Outcome.ERROR}

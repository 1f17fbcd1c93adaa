"""`order-assets accounts probe`: what an API does that its documents leave open, asked with one account of yours.

About eight requests, one after another, through the shared gate; nothing is stored, renewed or changed. Each answer is
held against what the crawl assumes (docs/unknowns.md). Findings hold no id and no content of an order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from order_assets.accounts_file import AccountsFile
from order_assets.clients.errors import ApiError, ContractError, SignInError
from order_assets.clients.http import Http, RawPage, RetryPolicy, http_client
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import PageFacts
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl.checking import GateOf, OneSignIn, current_tokens, keys_of
from order_assets.crawl.credentials import KtspSignIn
from order_assets.crawl.encryption import Vault
from order_assets.crawl.facts import DERIVE, policy_of
from order_assets.crawl.roster import effective
from order_assets.domain import unknown
from order_assets.domain.glance import glance
from order_assets.domain.pages import Page
from order_assets.settings import Account, Settings, SourceSystem

_ONE_TRY = RetryPolicy(attempts=1)
_NO_TOKEN = "order-assets-probe-is-no-token"  # noqa: S105 - deliberately none
_FAR_BEYOND = 1_000_000  # a page that no history has
_MOST_NAMES = 8
Place = int | str | None
Answered = tuple[RawPage, PageFacts]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found. `is_as_assumed` None: this account cannot tell. `setting`: what to turn where it differs."""

    question: str
    found: str
    is_as_assumed: bool | None
    setting: str = ""


@dataclass(frozen=True, slots=True)
class _Api:
    """One account's API: `ask` takes a place, a page size and a token (None: the account's)."""

    account: Account
    ask: Callable[[Place, int, str | None], Awaitable[Answered]]
    first: Place
    size: int
    section: str


def probe_account(
    engine: sa.Engine, settings: Settings, source_system: SourceSystem, key: str, *, gate_of: GateOf
) -> list[Answer]:
    """Ask, and return what was found, in the order of asking.

    Raises:
        ApiError: already the first page cannot be had; `check_accounts` says more.
        KeyError: there is no such account, or it is retired.
        DecryptionError: its tokens were encrypted with a key that is not configured.
    """
    vault = Vault(settings.keys.encryption)
    with engine.connect().execution_options(postgresql_readonly=True) as connection:
        roster = effective(connection, settings, vault, source_system, [key])
        current = current_tokens(connection, roster) if source_system == "scalev" else {}

    async def main() -> list[Answer]:
        opened = (
            _scalev(roster.sections, gate_of, lambda customer: current[key].access_token(customer, vault))
            if source_system == "scalev"
            else _ktsp(roster.sections, gate_of)
        )
        async with opened as api:
            return [answer async for answer in _answers(api, settings)]

    if key not in keys_of(source_system, roster):
        raise KeyError(key)
    return asyncio.run(main())


@asynccontextmanager
async def _scalev(sections: AccountsFile, gate_of: GateOf, token_of: Callable[[Any], str]) -> AsyncIterator[_Api]:
    section = sections.scalev
    (store,) = section.stores
    (customer,) = store.customers
    gate = gate_of(section.base_url, 1, section.requests_per_second)
    async with http_client(section.base_url, connections=1) as http:
        client = ScalevClient(Http(http, gate), section.page_size, _ONE_TRY)

        async def ask(place: Place, size: int, token: str | None) -> Answered:
            cursor = None if place is None else str(place)
            asking = replace(client, page_size=size)
            return await asking.orders_page(store.store_id, token or token_of(customer), cursor)

        account = Account("scalev", store.store_id, customer.name, store.time_zone, store.currency)
        yield _Api(account, ask, None, section.page_size, "[scalev]")


@asynccontextmanager
async def _ktsp(sections: AccountsFile, gate_of: GateOf) -> AsyncIterator[_Api]:
    section = sections.ktsp
    (programme,) = section.programmes
    (member,) = programme.members
    gate = gate_of(programme.base_url, 1, section.requests_per_second)
    async with http_client(programme.base_url, connections=1) as http:
        client = KtspClient(Http(http, gate), programme.app_key.get_secret_value(), section.page_size, _ONE_TRY)
        sign_in = OneSignIn(KtspSignIn(client, programme))

        async def ask(place: Place, size: int, token: str | None) -> Answered:
            own = token or (await sign_in.token() if member.token is None else member.token.get_secret_value())
            return await replace(client, page_size=size).orders_page(member.member_id, own, int(place or 0))

        account = Account("ktsp", programme.name, member.member_id, programme.time_zone, programme.currency)
        yield _Api(account, ask, section.first_page, section.page_size, "[ktsp]")


async def _answers(api: _Api, settings: Settings) -> AsyncIterator[Answer]:
    """Ask one question after another. An error answers its question; only the first page has to be there."""
    raw, facts = await api.ask(api.first, api.size, None)
    more = "more follow" if facts.more else "no more is announced"
    yield Answer("the first page", f"{len(facts.keys)} orders of at most {api.size}; {more}", is_as_assumed=True)
    yield _shape(api, raw)
    yield _money(api, raw, settings)
    yield _order(facts.times)
    yield _rate(raw, api)
    yield await _asked("a wrong token is refused", lambda: _wrong_token(api))
    yield await _asked("the same page twice is the same", lambda: _twice(api, raw))
    yield await _asked("one order more than the page size", lambda: _larger(api, facts))
    if api.account.source_system == "scalev":
        yield await _asked("a cursor holds its place", lambda: _cursor(api, facts))
    else:
        yield await _asked("pages count from", lambda: _base(api))
        yield await _asked("a page far beyond the end", lambda: _beyond(api, facts))


async def _asked(question: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    try:
        return replace(await ask(), question=question)
    except ApiError as error:
        return Answer(question, f"{error.reason}: {error.words}", is_as_assumed=None)


def _shape(api: _Api, raw: RawPage) -> Answer:
    found = unknown.count(api.account.source_system, raw.content)
    names = sorted({path if not value else f"{path} = {value}" for path, value in found})
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    shown = ", ".join(names[:_MOST_NAMES]) + more
    return Answer("fields and values are documented", shown or "all of them", is_as_assumed=not names)


def _money(api: _Api, raw: RawPage, settings: Settings) -> Answer:
    """Derive the page as a load would, and count what is odd about it."""
    account = api.account
    page = Page(
        content=raw.content, source_account=account.source_account, partition_key=account.partition_key,
        time_zone=account.time_zone, currency_code=account.currency, fetched_at=raw.fetched_at, crawl_id=0,
        page_number=1,
    )  # fmt: skip
    question = "money, times and statuses can be read"
    try:
        frames = DERIVE[account.source_system]([page], policy_of(settings), settings.keys.hmac.get_secret_value())
    except Exception as error:  # noqa: BLE001 - finding what nobody foresaw is what this is for
        return Answer(question, f"no: the page cannot be read ({type(error).__name__})", is_as_assumed=False)
    codes = Counter(code for codes in frames.orders["anomaly_codes"] for code in codes.strip("{}").split(",") if code)
    counted = ", ".join(f"{code} {count}" for code, count in codes.most_common(_MOST_NAMES))
    kept = int((~frames.orders["is_money_reportable"]).sum())
    found = f"{len(frames.orders)} orders read, {kept} kept out of sums; oddities: {counted or 'none'}"
    return Answer(question, found, is_as_assumed=kept == 0)


def _order(times: Sequence[Any]) -> Answer:
    question, setting = "orders come newest first", "[crawl] full_crawl_days"
    if len(times) < 2 or None in times:  # noqa: PLR2004 - one has no order
        return Answer(question, "cannot be told from this page", is_as_assumed=None, setting=setting)
    is_sorted = list(times) == sorted(times, reverse=True)
    words = "yes" if is_sorted else "no: every refresh will read whole histories"
    return Answer(question, words, is_as_assumed=is_sorted, setting="" if is_sorted else setting)


def _rate(raw: RawPage, api: _Api) -> Answer:
    names = [name for name in raw.headers if "ratelimit" in name.lower() or name.lower() == "retry-after"]
    told = ", ".join(f"{name}: {raw.headers[name][:40]}" for name in names)
    setting = f"{api.section} requests_per_second"
    return Answer("the API tells its rate limit", told or "no; ask the vendor", is_as_assumed=None, setting=setting)


async def _wrong_token(api: _Api) -> Answer:
    try:
        await api.ask(api.first, 1, _NO_TOKEN)
    except SignInError:
        return Answer("", "yes (401)", is_as_assumed=True)
    return Answer("", "no: anybody may read this account; tell the vendor", is_as_assumed=False)


async def _twice(api: _Api, before: RawPage) -> Answer:
    again, _ = await api.ask(api.first, api.size, None)
    system, scope = api.account.source_system, api.account.source_account
    pages = [[(g.order_key, g.payload_sha256) for g in glance(system, p.content, scope)] for p in (before, again)]
    if pages[0] == pages[1]:
        return Answer("", "yes", is_as_assumed=True)
    differ = len(set(pages[0]) ^ set(pages[1]))
    words = f"{differ} orders differ" if differ else "the same orders in another order"
    return Answer("", f"no: {words}; try again when nobody orders", is_as_assumed=False)


async def _larger(api: _Api, facts: PageFacts) -> Answer:
    setting = f"{api.section} page_size"
    try:
        _, larger = await api.ask(api.first, api.size + 1, None)
    except ContractError as error:
        return Answer("", f"refused ({error.words}): {api.size} is the greatest size", is_as_assumed=True)
    if len(facts.keys) < api.size or not facts.more:
        return Answer("", "this account has too few orders to tell", is_as_assumed=None, setting=setting)
    if len(larger.keys) > api.size:
        words = f"{len(larger.keys)} orders came: a larger page size saves requests"
        return Answer("", words, is_as_assumed=None, setting=setting)
    return Answer("", f"{len(larger.keys)} orders came: {api.size} is the greatest size", is_as_assumed=True)


async def _cursor(api: _Api, facts: PageFacts) -> Answer:
    if not facts.more or facts.next_cursor is None:
        return Answer("", "there is no second page to tell from", is_as_assumed=None)
    _, second = await api.ask(facts.next_cursor, api.size, None)
    _, again = await api.ask(facts.next_cursor, api.size, None)
    if set(second.keys) & set(facts.keys):
        return Answer("", "no: the second page repeats orders of the first", is_as_assumed=False)
    if second.next_cursor == facts.next_cursor:
        return Answer("", "no: the second page names its own cursor again", is_as_assumed=False)
    held = second.keys == again.keys
    return Answer("", "yes, used twice it gives the same page" if held else "no: used twice it differs", held)


async def _base(api: _Api) -> Answer:
    codes: dict[int, tuple[str, ...]] = {}
    for number in (0, 1):
        try:
            _, page = await api.ask(number, 1, None)
            codes[number] = page.keys
        except ApiError:
            codes[number] = ()
    if not codes[1] and codes[0]:
        return Answer("", "this member has too few orders to tell", is_as_assumed=None)
    if codes[0] == codes[1] or not codes[0]:
        words = "1: page 0 is the same as page 1, or empty, or refused. Harmless; first_page = 1 saves a request"
        return Answer("", words, is_as_assumed=None, setting="[ktsp] first_page")
    return Answer("", "0", is_as_assumed=True, setting="")


async def _beyond(api: _Api, facts: PageFacts) -> Answer:
    try:
        _, page = await api.ask(_FAR_BEYOND, api.size, None)
    except ContractError as error:
        return Answer("", f"an error ({error.words}); a walk ends before it", is_as_assumed=True)
    if not page.keys:
        return Answer("", "empty" + (", yet more is announced" if page.more else ""), is_as_assumed=True)
    repeats = "the last page again" if set(page.keys) <= set(facts.keys) or not facts.keys else "orders"
    words = f"{repeats}{', and more announced: crawls would end incomplete' if page.more else ''}"
    return Answer("", words, is_as_assumed=not page.more)

"""Scalev v3: one customer's orders as cursor pages, and the refresh of that customer's tokens.

Only the envelope and each order's identity are read here; the order itself is decoded in `domain.scalev`.
Sources: the vendor's OpenAPI document 3.0.0 and its storefront authentication guide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec

from order_assets.clients.errors import AccountError, ContractError, Reason, SignInError, TransientError
from order_assets.clients.http import Http, RawPage, RetryPolicy, check_status, with_retries
from order_assets.clients.pagination import PageFacts
from order_assets.clients.text import repaired


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token with its end of life (aware UTC), and the single-use refresh token that renews it."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    access_expires_at: datetime | None


class _OrderHead(msgspec.Struct):
    order_id: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()
    created_at: msgspec.Raw = msgspec.Raw()


class _Envelope(msgspec.Struct):
    data: list[_OrderHead]
    has_next: bool | None = None
    next_cursor: str | None = None


class _TokenBody(msgspec.Struct):
    access: str
    refresh: str | None = None
    expires_in: msgspec.Raw = msgspec.Raw()


_NUMBER_BEGINS = frozenset("-0123456789")
_PLAIN_DIGITS = 18  # a number of so many digits is an integer and reads as it is written
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_TOKENS = msgspec.json.Decoder(_TokenBody)


@dataclass(frozen=True, slots=True)
class ScalevClient:
    """The two calls we make. `page_size` stays the same during a walk, since cursors may be bound to it."""

    http: Http
    page_size: int = 25
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    async def orders_page(self, store_id: str, access_token: str, cursor: str | None) -> tuple[RawPage, PageFacts]:
        """Fetch one page, newest orders first as far as the vendor keeps to it; `cursor` None is the first page.

        Raises:
            SignInError: the access token is refused (`token_expired`).
            ContractError: the cursor is rejected (`cursor_rejected`) or the envelope is not the documented one.
            AccountError: store or customer are unknown, or the store's plan has lapsed (`api_error`).
            TransientError: still failing after the retries; RateLimitedError if the wait is beyond our patience.
        """
        params: dict[str, str | int] = {"page_size": self.page_size}
        if cursor is not None:
            params["next_cursor"] = cursor
        facts: list[PageFacts] = []

        async def ask() -> RawPage:
            request = self.http.request(
                "GET",
                f"/v3/stores/{quote(store_id, safe='')}/customers/me/orders",
                params=params,
                headers={"Authorization": f"Bearer {access_token}"},
            )
            page = await self.http.send(request)
            facts[:] = [_read(page, has_cursor=cursor is not None)]
            return page

        page = await with_retries(ask, self.retry)
        return page, facts[0]

    async def refresh(self, store_id: str, storefront_key: str, refresh_token: str) -> Tokens:
        """Trade a refresh token for new tokens. Sent once and never repeated: the token is spent by the attempt.

        Raises:
            SignInError: the token or its whole family is refused (`sign_in_needed`); a person must sign in again.
            AccountError: the answer was lost on the way, so the token may be spent (`sign_in_needed`).
            TransientError: the request never reached the API, or was refused by its rate limit; the token is good.
        """
        request = self.http.request(
            "POST",
            f"/v3/stores/{quote(store_id, safe='')}/public/auth/jwt/refresh",
            json={"refresh": refresh_token},
            headers={"X-Scalev-Storefront-Api-Key": storefront_key},
        )
        try:
            page = await self.http.send(request)
            check_status(page)
            if page.http_status == httpx.codes.OK:
                body = _TOKENS.decode(page.content)
                return Tokens(body.access, body.refresh, _end_of_life(body.expires_in))
        except (TransientError, ContractError, msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
            if isinstance(error, TransientError) and not error.was_sent:
                raise
            raise AccountError(
                Reason.SIGN_IN_NEEDED,
                "the answer to the token refresh was lost; sign in again for new tokens",
            ) from None
        raise SignInError(
            Reason.SIGN_IN_NEEDED,
            f"the token refresh was refused ({page.http_status}); sign in again for new tokens",
        )


def _end_of_life(expires_in: msgspec.Raw) -> datetime | None:
    """Read a lifetime in seconds; an odd one must not cost the tokens beside it, since the old ones are spent."""
    try:
        return datetime.now(UTC) + timedelta(seconds=float(bytes(expires_in).strip(b'"')))
    except (ValueError, OverflowError):
        return None


def _read(page: RawPage, *, has_cursor: bool) -> PageFacts:
    check_status(page)
    status = page.http_status
    if status == httpx.codes.UNAUTHORIZED:
        raise SignInError(Reason.TOKEN_EXPIRED, "the access token is refused (401)")
    if status == httpx.codes.BAD_REQUEST and has_cursor:
        raise ContractError(Reason.CURSOR_REJECTED, "the cursor is rejected (400)", page)
    if status in {httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND}:
        raise AccountError(
            Reason.API_ERROR,
            f"the API answers {status}: unknown store or customer, or the store's plan has lapsed",
        )
    if status == httpx.codes.NO_CONTENT:
        raise TransientError(Reason.BAD_JSON, "the API answers 204 without a body", page)
    if status != httpx.codes.OK:
        raise ContractError(Reason.API_ERROR, f"the API answers {status}", page)
    return read_page(page)


def read_page(page: RawPage) -> PageFacts:
    """Return what a walk needs to know of a page of orders, fresh or kept.

    Raises:
        ContractError: valid JSON of another shape (`bad_envelope`).
        TransientError: no JSON (`bad_json`): gateways answer with HTML or cut bodies short, and both pass.
    """
    envelope = read_envelope(_ENVELOPE, page)
    keys = tuple(_order_id(order.order_id) or _order_id(order.id) for order in envelope.data)
    has_next = envelope.has_next if envelope.has_next is not None else bool(envelope.next_cursor)
    times = tuple(instant(order.created_at) for order in envelope.data)
    return PageFacts(keys=keys, more=has_next, next_cursor=envelope.next_cursor, times=times)


T = TypeVar("T")


def read_envelope(decoder: msgspec.json.Decoder[T], page: RawPage) -> T:
    """Decode a body, repaired if it is almost JSON; errors as for `read_page`."""
    try:
        try:
            return decoder.decode(page.content)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            return decoder.decode(repaired(page.content))
    except msgspec.ValidationError as error:
        raise ContractError(Reason.BAD_ENVELOPE, f"not the documented page: {error}", page) from None
    except RecursionError:
        raise ContractError(Reason.BAD_ENVELOPE, "the body is nested deeper than any page", page) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        what = "the body is not JSON" if page.content.strip() else "the body is empty"
        raise TransientError(Reason.BAD_JSON, what, page) from None


def instant(raw: msgspec.Raw) -> datetime | None:
    """Return a time with an offset as aware UTC; None for anything else, since a naive time is never guessed at."""
    try:
        moment = datetime.fromisoformat(bytes(raw).decode().strip('"'))
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):  # in no year that Python knows, such as 0001-01-01T00:00:00+07:00 in UTC
        return None


def identity(raw: msgspec.Raw) -> str:
    """Return an identifier as the facts have it: a text, trimmed, or a number as sent; "" for the rest."""
    text = bytes(raw).decode(errors="replace")
    if not text.startswith('"'):
        return text if text[:1] in _NUMBER_BEGINS else ""
    try:
        sent = msgspec.json.decode(text, type=str)
    except msgspec.DecodeError:
        try:
            sent = msgspec.json.decode(repaired(text.encode()), type=str)
        except msgspec.DecodeError:
            return ""
    return sent.replace("\0", "\N{REPLACEMENT CHARACTER}").strip()


def _order_id(raw: msgspec.Raw) -> str:
    """Return an identifier as `domain.scalev_page` reads it: a number as a number, not as it was written."""
    text = identity(raw)
    if bytes(raw).startswith(b'"') or (text.isdigit() and len(text) <= _PLAIN_DIGITS):
        return text
    try:
        return str(msgspec.json.decode(text)) if text else ""
    except msgspec.DecodeError:  # beyond what JSON's readers take for a number
        return ""

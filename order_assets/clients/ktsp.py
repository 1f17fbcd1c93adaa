"""KTSP: one member's orders as numbered pages, and the application's token.

The API answers HTTP 200 even for failures; `status` in the body decides. Only the envelope and each order's code
are read here; the order itself is decoded in `domain.ktsp`. Source: the vendor's integration and order pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import httpx
import msgspec

from order_assets.clients.errors import AccountError, ContractError, Reason, SignInError, TransientError
from order_assets.clients.http import Http, RawPage, RetryPolicy, check_status, with_retries
from order_assets.clients.pagination import PageFacts
from order_assets.clients.scalev import identity, instant, read_envelope

MEMBER_NOT_FOUND = "4100"
INTERNAL_ERROR = "1"


class _OrderHead(msgspec.Struct, rename="camel"):
    order_code: msgspec.Raw = msgspec.Raw()
    order_time: msgspec.Raw = msgspec.Raw()


class _Envelope(msgspec.Struct, rename="camel"):
    status: int | str
    error_code: int | str | None = None
    token: str | None = None
    items: list[_OrderHead] | None = None
    more_page: bool | str | int | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class KtspClient:
    """The two calls we make."""

    http: Http
    app_key: str = field(repr=False)
    page_size: int = 200
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    async def token(self, app_secret: str) -> str:
        """Sign the application in (`POST /v1/auth`). The vendor gives no lifetime: keep it until a 401.

        Raises:
            SignInError: the credentials are refused (`sign_in_needed`).
            ContractError, TransientError: as for `orders_page`.
        """
        envelopes: list[_Envelope] = []

        async def ask() -> RawPage:
            body = {"appKey": self.app_key, "appSecret": app_secret}
            page = await self.http.send(self.http.request("POST", "/v1/auth", json=body))
            envelopes[:] = [_read(page)]
            return page

        try:
            page = await with_retries(ask, self.retry)
        except SignInError:
            raise SignInError(Reason.SIGN_IN_NEEDED, "the app_key and app_secret are refused (401)") from None
        token = envelopes[0].token
        if not token:
            raise ContractError(Reason.BAD_ENVELOPE, "the answer to /v1/auth holds no token", page)
        return token

    async def orders_page(self, member_id: str, token: str, number: int) -> tuple[RawPage, PageFacts]:
        """Fetch one page of a member's orders.

        Raises:
            SignInError: the token is refused (`token_expired`).
            AccountError: the member is unknown (`member_not_found`).
            ContractError: the API reports another error (`api_error`) or not the documented envelope.
            TransientError: still failing after the retries; RateLimitedError if the wait is beyond our patience.
        """
        envelopes: list[_Envelope] = []

        async def ask() -> RawPage:
            request = self.http.request(
                "POST",
                "/v1/order/list",
                json={"pageNo": number, "pageSize": self.page_size, "memberId": member_id},
                headers={"Authorization": f"Bearer {token}", "X-App-Key": self.app_key},
            )
            page = await self.http.send(request)
            envelopes[:] = [_read(page)]
            return page

        page = await with_retries(ask, self.retry)
        return page, _facts(envelopes[0])


def read_page(page: RawPage) -> PageFacts:
    """Return what a walk needs to know of a page of orders, fresh or kept; errors as for `orders_page`."""
    return _facts(_read(page))


def _facts(envelope: _Envelope) -> PageFacts:
    items = envelope.items or ()
    return PageFacts(
        keys=tuple(identity(item.order_code) for item in items),
        more=str(envelope.more_page).lower() in {"true", "1"},
        times=tuple(instant(item.order_time) for item in items),
    )


def _read(page: RawPage) -> _Envelope:
    check_status(page)
    if page.http_status == httpx.codes.UNAUTHORIZED:
        raise SignInError(Reason.TOKEN_EXPIRED, "the token is refused (401)")
    if page.http_status == httpx.codes.NO_CONTENT:
        raise TransientError(Reason.BAD_JSON, "the API answers 204 without a body", page)
    if page.http_status != httpx.codes.OK:
        raise ContractError(Reason.API_ERROR, f"the API answers {page.http_status}", page)
    envelope = read_envelope(_ENVELOPE, page)
    # The vendor's pages type status and errorCode as text in one place and as numbers in another.
    if str(envelope.status).strip() == "1":
        return envelope
    code = str(envelope.error_code).strip()
    if code == MEMBER_NOT_FOUND:
        raise AccountError(Reason.MEMBER_NOT_FOUND, "the API does not know this member (4100)")
    if code == INTERNAL_ERROR:
        raise TransientError(Reason.API_ERROR, "the API reports an internal error (1)", page)
    # A number and no more: what else a server may put there could be somebody's name.
    shown = code if re.fullmatch(r"-?[0-9]{1,6}", code) else "without a number"
    raise ContractError(Reason.API_ERROR, f"the API reports error {shown}", page)

"""The client: one page of a buyer's orders, and what each answer means. In the product: `clients/corner.py`."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import msgspec

from order_assets.clients.errors import AccountError, ContractError, Reason, SignInError
from order_assets.clients.http import Http, RawPage, RetryPolicy, check_status, with_retries
from order_assets.clients.pagination import PageFacts
from order_assets.clients.scalev import identity, instant, read_envelope


class _OrderHead(msgspec.Struct):
    number: msgspec.Raw = msgspec.Raw()
    placed_at: msgspec.Raw = msgspec.Raw()


class _Envelope(msgspec.Struct):
    orders: list[_OrderHead]
    last_page: bool


_ENVELOPE = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class CornerClient:
    """The one call we make."""

    http: Http
    page_size: int
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    async def orders_page(self, buyer: str, token: str, number: int) -> tuple[RawPage, PageFacts]:
        """Fetch one page of a buyer's orders.

        Raises:
            SignInError: the key is refused (`sign_in_needed`).
            AccountError: the buyer is unknown (`member_not_found`).
            ContractError: not the documented answer.
            TransientError: still failing after the retries; RateLimitedError if the wait is beyond our patience.
        """

        async def ask() -> RawPage:
            path = f"/buyers/{buyer}/orders"
            request = self.http.request("GET", path, params={"page": number}, headers={"X-Api-Key": token})
            page = await self.http.send(request)
            read_page(page)  # here, so that an answer that passes by itself is asked for again
            return page

        page = await with_retries(ask, self.retry)
        return page, read_page(page)


def read_page(page: RawPage) -> PageFacts:
    """Return what a walk needs to know of a page, fresh or kept; errors as for `orders_page`."""
    check_status(page)
    if page.http_status == httpx.codes.UNAUTHORIZED:
        raise SignInError(Reason.SIGN_IN_NEEDED, "the key is refused (401)")
    if page.http_status == httpx.codes.NOT_FOUND:
        raise AccountError(Reason.MEMBER_NOT_FOUND, "the API does not know this buyer (404)")
    if page.http_status != httpx.codes.OK:
        raise ContractError(Reason.API_ERROR, f"the API answers {page.http_status}", page)
    envelope = read_envelope(_ENVELOPE, page)
    return PageFacts(
        keys=tuple(identity(order.number) for order in envelope.orders),
        more=not envelope.last_page,
        times=tuple(instant(order.placed_at) for order in envelope.orders),
    )

"""The typed page: the documented fields of an order, read leniently. In the product: `domain/corner_page.py`."""

from __future__ import annotations

from typing import Any

import msgspec

from order_assets.domain import keys, lenient
from order_assets.domain.columns import one_label
from order_assets.domain.documented import Documented
from order_assets.domain.pages import readable, repaired
from order_assets.domain.readers import PageReader

_NULL = msgspec.Raw(b"null")


class Order(msgspec.Struct):
    """One order; amounts are raw JSON text, since a float would not be exact."""

    number: Any = None
    placed_at: Any = None
    paid_at: Any = None
    cancelled_at: Any = None
    status: Any = None
    currency: Any = None
    subtotal: msgspec.Raw = _NULL
    discount: msgspec.Raw = _NULL
    total: msgspec.Raw = _NULL


class _Page(msgspec.Struct):
    orders: list[Order]


class _LoosePage(msgspec.Struct):
    orders: list[dict[str, msgspec.Raw]]


class DocumentedOrder(Documented):
    """Everything the vendor documents of an order; what else comes is counted in `ops.unknown_fields`."""

    number: Any = None
    placed_at: Any = None
    paid_at: Any = None
    cancelled_at: Any = None
    status: Any = None
    currency: Any = None
    subtotal: Any = None
    discount: Any = None
    total: Any = None


class DocumentedPage(Documented):
    """Everything the vendor documents of a page."""

    orders: list[DocumentedOrder] | None = None
    last_page: Any = None


_CANONICAL = msgspec.json.Encoder(order="deterministic")


def decode(content: bytes) -> list[Order]:
    """Return the orders of a page; an odd value costs neither its order nor its page.

    Raises:
        msgspec.DecodeError: it is not a page of orders.
    """
    content = readable(content)
    try:
        return msgspec.json.decode(content, type=_Page).orders
    except (msgspec.DecodeError, RecursionError):
        loose = msgspec.json.decode(repaired(content), type=_LoosePage)
        return [lenient.read(order, Order, {}) for order in loose.orders]


def fingerprint(order: Order) -> str:
    """Return the hash of the documented fields, values as sent; none of them is personal."""
    return keys.payload_sha256(_CANONICAL.encode(order))


def order_id(order: Order, own_fingerprint: str) -> str:
    """Return the id that the order's key is made of."""
    return keys.source_order_id(own_fingerprint, one_label(order.number))


READER = PageReader(decode, fingerprint, order_id, ("placed_at",), DocumentedPage, "orders")

"""The JSON of a KTSP page: the documented fields of an order as a typed struct, read leniently.

What the fields mean is in `ktsp`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from order_assets.domain import keys, lenient
from order_assets.domain.columns import one_label
from order_assets.domain.pages import readable, repaired

_NULL = msgspec.Raw(b"null")


class Order(msgspec.Struct, rename="camel"):
    """One item of the order list; amounts and the 28-digit code are raw JSON text."""

    order_code: msgspec.Raw = _NULL
    order_time: Any = None
    original_amount: msgspec.Raw = _NULL
    discount_amount: msgspec.Raw = _NULL
    payment_amount: msgspec.Raw = _NULL
    store_code: Any = None
    store_name_en: Any = None
    store_name_sc: Any = None
    store_name_tc: Any = None


class _Body(msgspec.Struct):
    items: list[Order] | None = None


class _LooseBody(msgspec.Struct):
    items: list[dict[str, msgspec.Raw]] | None = None


_BODY = msgspec.json.Decoder(_Body)
_LOOSE_BODY = msgspec.json.Decoder(_LooseBody)
_CANONICAL = msgspec.json.Encoder(order="deterministic")
FIELDS = Order.__struct_fields__
LISTED_BY = ("order_time",)
"""Fields that say when an order was placed; the first readable one counts."""


def decode(content: bytes) -> list[Order]:
    """Return the orders of a page; `items` may be absent or null.

    Raises:
        msgspec.DecodeError: the page is not JSON, or `items` is not a list of objects.
    """
    content = readable(content)
    try:
        return _BODY.decode(content).items or []
    except (msgspec.DecodeError, RecursionError):
        return [lenient.read(order, Order, {}) for order in _LOOSE_BODY.decode(repaired(content)).items or []]


def fingerprint(order: Order) -> str:
    """Return the hash of the order's documented fields, in their order, values as sent, null where absent."""
    return keys.payload_sha256(_CANONICAL.encode(order))


def order_code(order: Order) -> str | None:
    """Return the order's code, sent as text or as a number of any length; anything else is none."""
    sent = bytes(order.order_code).decode()
    if sent.startswith('"'):
        return one_label(msgspec.json.decode(sent))
    return sent if sent[0] in "-0123456789" else None


def order_id(order: Order, own_fingerprint: str) -> str:
    """Return the id that the order's key is made of."""
    return keys.source_order_id(own_fingerprint, order_code(order))

"""The JSON of a Scalev page: the fields that the model uses as typed structs, read leniently.

Fields of model.md 2.4 (names, links, notes, account numbers) are not declared here and so never leave the page; a
customer's address and number leave it as pseudonyms alone (`scalev_customers`). `documented` has the names of all
fields. One odd field is read as null and does not cost the order, one odd order does not cost the page. What the
fields mean is in `scalev`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from order_assets.domain import keys, lenient
from order_assets.domain.columns import one_label
from order_assets.domain.pages import readable, repaired

_NULL = msgspec.Raw(b"null")


class _Read(msgspec.Struct, gc=False):
    """Values out of JSON hold no cycles, so the collector need not look through hundreds of thousands of them."""


class Line(_Read):
    """One order line; amounts are raw JSON text."""

    id: Any = None
    quantity: Any = None
    variant: Any = None
    variant_sku: Any = None
    product_name: Any = None
    variant_option1_value: Any = None
    variant_option2_value: Any = None
    variant_option3_value: Any = None
    item_type: Any = None
    pricing_type: Any = None
    interval: Any = None
    interval_count: Any = None
    is_digital: Any = None
    currency: Any = None
    weight: msgspec.Raw = _NULL
    variant_price: msgspec.Raw = _NULL
    product_price: msgspec.Raw = _NULL
    discount: msgspec.Raw = _NULL
    discount_code_discount: msgspec.Raw = _NULL


class HistoryEntry(_Read):
    """One entry of `status_history`; the time comes as `at`, `time` or `timestamp`. Who did it is not read."""

    status: Any = None
    at: Any = None
    time: Any = None
    timestamp: Any = None


class ShipmentEntry(_Read):
    """One entry of `shipment_status_history`, without the courier's description."""

    status: Any = None
    timestamp: Any = None
    time: Any = None
    at: Any = None


class Customer(_Read):
    """The id becomes a pseudonym; so do address and number, if the policy says so. Only the id is fingerprinted."""

    id: Any = None
    status: Any = msgspec.UNSET
    created_at: Any = msgspec.UNSET
    email: Any = msgspec.UNSET
    phone: Any = msgspec.UNSET


class Store(_Read):
    """The store's public name."""

    name: Any = None


class Address(_Read):
    """Coarse geography; stored only if the policy says so."""

    province: Any = None
    city: Any = None


class Courier(_Read):
    """The courier company."""

    code: Any = None


class CourierService(_Read):
    """The courier's service level."""

    code: Any = None
    courier: Courier | None = None


class Order(_Read):
    """The fields of one order that the model uses. Source: the vendor's OpenAPI document 3.0.0."""

    id: Any = None
    order_id: Any = None
    store: Store | None = None
    customer: Customer | None = None
    status: Any = None
    payment_status: Any = None
    shipment_status: Any = None
    awb_status: Any = None
    payment_method: Any = None
    sub_payment_method: Any = None
    is_dropshipping: Any = None
    discount_code_code: Any = None
    discount_code_applied_to: Any = None
    discount_rate: msgspec.Raw = _NULL
    other_income_name: Any = None
    product_price: msgspec.Raw = _NULL
    product_discount: msgspec.Raw = _NULL
    discount_code_discount: msgspec.Raw = _NULL
    unique_code_discount: msgspec.Raw = _NULL
    shipping_cost: msgspec.Raw = _NULL
    shipping_discount: msgspec.Raw = _NULL
    other_income: msgspec.Raw = _NULL
    gross_revenue: msgspec.Raw = _NULL
    gross_revenue_for_dropshipper: msgspec.Raw = _NULL
    total_quantity: Any = None
    total_weight: msgspec.Raw = _NULL
    courier_service: CourierService | None = None
    destination_address: Address | None = None
    orderlines: list[Line] | None = None
    status_history: list[HistoryEntry] | None = None
    created_at: Any = None
    last_updated_at: Any = None
    draft_time: Any = None
    pending_time: Any = None
    confirmed_time: Any = None
    in_process_time: Any = None
    ready_time: Any = None
    shipped_time: Any = None
    completed_time: Any = None
    rts_time: Any = None
    canceled_time: Any = None
    closed_time: Any = None
    unpaid_time: Any = None
    paid_time: Any = None
    transfer_time: Any = None
    shipment_status_history: list[ShipmentEntry] | None = None


class _Body(msgspec.Struct):
    data: list[Order]


class _LooseBody(msgspec.Struct):
    data: list[dict[str, msgspec.Raw]]


_ENTRIES: Mapping[str, type[msgspec.Struct]] = {
    "orderlines": Line,
    "status_history": HistoryEntry,
    "shipment_status_history": ShipmentEntry,
}
_BODY = msgspec.json.Decoder(_Body)
_LOOSE_BODY = msgspec.json.Decoder(_LooseBody)
_CANONICAL = msgspec.json.Encoder(order="deterministic")
FIELDS = Order.__struct_fields__
LISTED_BY = ("created_at", "draft_time", "pending_time")
"""Fields that say when an order was placed; the first readable one counts."""


def decode(content: bytes) -> list[Order]:
    """Return the orders of a page.

    Raises:
        msgspec.DecodeError: the page is not JSON, or `data` is not a list of objects.
    """
    content = readable(content)
    try:
        return _BODY.decode(content).data
    except (msgspec.DecodeError, RecursionError):
        return [lenient.read(order, Order, _ENTRIES) for order in _LOOSE_BODY.decode(repaired(content)).data]


def canonical(order: Order) -> bytes:
    """Return what the fingerprint is taken of: the fields above in their order, values as sent, null where absent.

    What a customer's record says beside the id is theirs, not the order's: a new phone number is not another order.
    """
    if order.customer is not None:
        order = msgspec.structs.replace(order, customer=Customer(order.customer.id))
    return _CANONICAL.encode(order)


def fingerprint(order: Order) -> str:
    """Return the hash of the order's canonical JSON."""
    return keys.payload_sha256(canonical(order))


def order_id(order: Order, own_fingerprint: str) -> str:
    """Return the id that the order's key is made of."""
    return keys.source_order_id(own_fingerprint, one_label(order.order_id), one_label(order.id))

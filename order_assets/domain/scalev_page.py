"""The JSON of a Scalev page: the documented fields as typed structs, read leniently.

Fields of model.md 2.4 (names, contacts, links, notes, account numbers) are not declared here and so never leave the
page. One odd field is read as null and does not cost the order, one odd order does not cost the page. What the
fields mean is in `scalev`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from order_assets.domain import lenient
from order_assets.domain.pages import readable

_NULL = msgspec.Raw(b"null")


class Line(msgspec.Struct):
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


class HistoryEntry(msgspec.Struct):
    """One entry of `status_history`; the time comes as `at`, `time` or `timestamp`. Who did it is not read."""

    status: Any = None
    at: Any = None
    time: Any = None
    timestamp: Any = None


class Customer(msgspec.Struct):
    """Only the id, which becomes a pseudonym."""

    id: Any = None


class Store(msgspec.Struct):
    """The store's public name."""

    name: Any = None


class Address(msgspec.Struct):
    """Coarse geography; stored only if the policy says so."""

    province: Any = None
    city: Any = None


class Courier(msgspec.Struct):
    """The courier company."""

    code: Any = None


class CourierService(msgspec.Struct):
    """The courier's service level."""

    code: Any = None
    courier: Courier | None = None


class Order(msgspec.Struct):
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


class _Body(msgspec.Struct):
    data: list[Order]


class _LooseBody(msgspec.Struct):
    data: list[dict[str, msgspec.Raw]]


_ENTRIES: Mapping[str, type[msgspec.Struct]] = {"orderlines": Line, "status_history": HistoryEntry}
_BODY = msgspec.json.Decoder(_Body)
_LOOSE_BODY = msgspec.json.Decoder(_LooseBody)
_CANONICAL = msgspec.json.Encoder(order="deterministic")
FIELDS = Order.__struct_fields__


def decode(content: bytes) -> list[Order]:
    """Return the orders of a page.

    Raises:
        msgspec.DecodeError: the page is not JSON, or `data` is not a list of objects.
    """
    content = readable(content)
    try:
        return _BODY.decode(content).data
    except (msgspec.DecodeError, RecursionError):
        return [lenient.read(order, Order, _ENTRIES) for order in _LOOSE_BODY.decode(content).data]


def canonical(order: Order) -> bytes:
    """Return the order's canonical JSON: the declared fields in their order, values as sent, null where absent."""
    return _CANONICAL.encode(order)

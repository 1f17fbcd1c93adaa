"""What the vendors' documents declare: every field of a page, and the values of fields that have a closed list.

No value is read through these structs (they keep the raw JSON text); they exist so that what is not declared can be
noticed, which `unknown` does. What the model reads is in `scalev_page` and `ktsp_page`.

The type of a field is the document's. `Private` marks what model.md 2.4 keeps out of every table: contacts, links that
open an order, account numbers, free text. Sources: the vendor's OpenAPI document 3.0.0
(`StorefrontCustomerFacingOrder`), its older rendered page, the webhook samples for the entries of the histories, and
KTSP's page of the order list.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

_NULL = msgspec.Raw(b"null")

Text: TypeAlias = msgspec.Raw
Whole: TypeAlias = msgspec.Raw
Flag: TypeAlias = msgspec.Raw
Instant: TypeAlias = msgspec.Raw
Money: TypeAlias = msgspec.Raw  # string, number or null
FreeMap: TypeAlias = msgspec.Raw  # its keys are data, not fields
Private: TypeAlias = Annotated[msgspec.Raw, "private"]

OrderStatus = Literal[
    "draft",
    "pending",
    "confirmed",
    "in_process",
    "ready",
    "shipped",
    "completed",
    "canceled",
    "rts",
    "shipped_rts",
    "closed",
]
PaymentStatus = Literal["unpaid", "paid", "conflict", "settled"]
# The second part is from before July 2026, when `sub_payment_method` named the bank.
PaymentMethod = Literal[
    "bank_transfer",
    "cod",
    "qris",
    "card",
    "invoice",
    "payment_link",
    "alfamart",
    "ovo",
    "dana",
    "shopeepay",
    "linkaja",
    "gopay",
    "no_payment",
    "marketplace",
    "va_bca",
    "va_bni",
    "va_bri",
    "va_mandiri",
    "va_permata",
    "va_cimb",
    "va_bsi",
    "va_maybank",
    "va_bnc",
    "va_danamon",
    "va_artha_graha",
    "va_muamalat",
    "va_btn",
    "va_ocbc",
    "va_bjb",
    "va_sahabat_sampoerna",
    "va_artajasa",
    "va",
    "ewallet",
]
AwbStatus = Literal["unavailable", "pending", "waiting", "failed", "created", "canceled"]
DiscountTarget = Literal["product_price", "shipping_cost"]
ItemType = Literal["physical", "digital", "course", "license", "subscription"]
PricingType = Literal["one_time", "recurring"]
Interval = Literal["day", "week", "month", "year"]


class Documented(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An object of a document; decoding one with another field fails."""


class ScalevFinancialEntity(Documented):
    """The bank of one of the store's accounts."""

    id: Whole = _NULL
    code: Text = _NULL
    entity_type: Text = _NULL
    name: Text = _NULL
    platform: Text = _NULL
    duitku_code: Text = _NULL
    xendit_code: Text = _NULL


class ScalevPaymentAccount(Documented):
    """One account that a buyer can transfer to."""

    id: Private = _NULL
    unique_id: Private = _NULL
    method: Text = _NULL
    account_holder: Private = _NULL
    account_number: Private = _NULL
    financial_entity: ScalevFinancialEntity | None = None


class ScalevStore(Documented):
    """The store as its buyers see it."""

    name: Text = _NULL
    logo: Text = _NULL
    unique_id: Text = _NULL
    payment_accounts: list[ScalevPaymentAccount] | None = None
    days_of_payment_processing: Whole = _NULL
    is_auto_expire: Flag = _NULL
    auto_expire_days: Whole = _NULL
    is_show_whatsapp: Flag = _NULL
    is_show_download_invoice: Flag = _NULL


class ScalevCustomer(Documented):
    """The buyer."""

    id: Whole = _NULL
    email: Private = _NULL
    phone: Private = _NULL
    name: Private = _NULL
    confirmed_at: Instant = _NULL
    created_at: Instant = _NULL
    last_updated_at: Instant = _NULL
    status: Text = _NULL


class ScalevAddress(Documented):
    """Where the parcel goes; `location` is a number or a text."""

    id: Private = _NULL
    name: Private = _NULL
    phone: Private = _NULL
    location: Private = _NULL
    address: Private = _NULL
    subdistrict: Private = _NULL
    city: Text = _NULL
    province: Text = _NULL
    postal_code: Private = _NULL


class ScalevCourier(Documented):
    """The courier company."""

    id: Whole = _NULL
    name: Text = _NULL
    code: Text = _NULL


class ScalevCourierService(Documented):
    """The courier's service level."""

    id: Whole = _NULL
    name: Text = _NULL
    code: Text = _NULL
    courier: ScalevCourier | None = None


class ScalevLine(Documented):
    """One order line; `is_digital` is in older answers only."""

    id: Text = _NULL
    quantity: Whole = _NULL
    variant: Whole = _NULL
    variant_sku: Text = _NULL
    product_name: Text = _NULL
    item_type: ItemType | None = None
    is_digital: Flag = _NULL
    is_file_enabled: Flag = _NULL
    is_lms_enabled: Flag = _NULL
    is_license_enabled: Flag = _NULL
    currency: Text = _NULL
    pricing_type: PricingType | None = None
    interval: Interval | None = None
    interval_count: Whole = _NULL
    variant_option1_value: Text = _NULL
    variant_option2_value: Text = _NULL
    variant_option3_value: Text = _NULL
    variant_price: Money = _NULL
    product_price: Money = _NULL
    discount: Money = _NULL
    discount_code_discount: Money = _NULL
    weight: Whole = _NULL


class ScalevStatusEntry(Documented):
    """One entry of `status_history`: three spellings of the time; `by` is a member of staff, as text or object."""

    at: Instant = _NULL
    time: Instant = _NULL
    timestamp: Instant = _NULL
    by: Private = _NULL
    status: Text = _NULL


class ScalevShipmentEntry(Documented):
    """One entry of `shipment_status_history`; the description is the courier's free text."""

    description: Private = _NULL
    status: Text = _NULL
    timestamp: Instant = _NULL
    time: Instant = _NULL
    at: Instant = _NULL
    timestamp_source: Text = _NULL


class ScalevOrder(Documented):
    """One order of a customer. `shipment_status` is the courier's word, for which there is no list."""

    id: Text = _NULL
    secret_slug: Private = _NULL
    public_order_url: Private = _NULL
    payment_url: Private = _NULL
    order_id: Text = _NULL
    store: ScalevStore | None = None
    customer: ScalevCustomer | None = None
    status: OrderStatus | None = None
    draft_time: Instant = _NULL
    pending_time: Instant = _NULL
    confirmed_time: Instant = _NULL
    in_process_time: Instant = _NULL
    ready_time: Instant = _NULL
    shipped_time: Instant = _NULL
    completed_time: Instant = _NULL
    rts_time: Instant = _NULL
    canceled_time: Instant = _NULL
    closed_time: Instant = _NULL
    unpaid_time: Instant = _NULL
    paid_time: Instant = _NULL
    transfer_time: Instant = _NULL
    created_at: Instant = _NULL
    last_updated_at: Instant = _NULL
    status_history: list[ScalevStatusEntry] | None = None
    payment_status: PaymentStatus | None = None
    payment_method: PaymentMethod | None = None
    sub_payment_method: Text = _NULL
    payment_account_holder: Private = _NULL
    payment_account_number: Private = _NULL
    transferproof_url: Private = _NULL
    pg_payment_info: Private = _NULL
    product_price: Money = _NULL
    product_discount: Money = _NULL
    discount_code_discount: Money = _NULL
    discount_code_code: Text = _NULL
    discount_code_applied_to: DiscountTarget | None = None
    unique_code_discount: Money = _NULL
    discount_rate: Money = _NULL
    shipping_cost: Money = _NULL
    shipping_discount: Money = _NULL
    other_income: Money = _NULL
    other_income_name: Text = _NULL
    payment_link_income: Money = _NULL
    gross_revenue: Money = _NULL
    gross_revenue_for_dropshipper: Money = _NULL
    total_quantity: Whole = _NULL
    final_variants: FreeMap = _NULL
    product_weight: Whole = _NULL
    total_weight: Whole = _NULL
    is_dropshipping: Flag = _NULL
    destination_address: ScalevAddress | None = None
    courier_service: ScalevCourierService | None = None
    shipment_receipt: Private = _NULL
    shipment_status: Text = _NULL
    awb_status: AwbStatus | None = None
    shipment_status_history: list[ScalevShipmentEntry] | None = None
    orderlines: list[ScalevLine] | None = None
    notes: Private = _NULL
    chat_message: Private = _NULL


class ScalevPage(Documented):
    """The envelope of the list of a customer's orders."""

    data: list[ScalevOrder] | None = None
    is_paginated: Flag = _NULL
    has_next: Flag = _NULL
    has_previous: Flag = _NULL
    next_cursor: Text = _NULL
    previous_cursor: Text = _NULL
    page_size: Whole = _NULL


class KtspOrder(Documented, rename="camel"):
    """One item of a member's order list."""

    order_code: Text = _NULL
    order_time: Instant = _NULL
    original_amount: Money = _NULL
    discount_amount: Money = _NULL
    payment_amount: Money = _NULL
    store_code: Text = _NULL
    store_name_en: Text = _NULL
    store_name_sc: Text = _NULL
    store_name_tc: Text = _NULL


class KtspPage(Documented, rename="camel"):
    """The envelope of a member's order list; `status` and `error_code` are numbers or texts."""

    status: Text = _NULL
    error_code: Text = _NULL
    message: Text = _NULL
    more_page: Flag = _NULL
    page_no: Whole = _NULL
    page_size: Whole = _NULL
    items: list[KtspOrder] | None = None

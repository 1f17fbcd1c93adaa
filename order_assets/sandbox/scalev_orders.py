"""A Scalev order as the customer route shows it: JSON-able dictionaries in the documented shape.

Turns a `Life` and a `Basket` into the document, including the oddities met in the field (impossible
years, missing times, money as number or null, three spellings of the status history). Serving is in `scalev`.
"""

import random
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from order_assets.sandbox.catalogue import BANKS, CATALOGUES, COURIERS, NOTES, PLACES
from order_assets.sandbox.people import Customer, Store
from order_assets.sandbox.scalev_basket import Basket, Line, fill, pick
from order_assets.sandbox.scalev_life import E_PAYMENTS, STATUSES, Life, chance, live
from order_assets.sandbox.seasons import stamp

Order = dict[str, Any]
Money = str | int | None

JAKARTA = ZoneInfo("Asia/Jakarta")
# Since this day the API has one flat payment method and names the payment link's income.
_FLAT_METHODS_SINCE = datetime(2026, 7, 1, tzinfo=UTC)
_ORDER_TIMES = (
    "draft", "pending", "confirmed", "in_process", "ready", "shipped", "completed", "rts", "canceled", "closed",
)  # fmt: skip
_AWB = {"draft": "unavailable", "pending": "unavailable", "canceled": "canceled", "confirmed": "pending"}
_PARCEL = ("shipped", "completed", "rts", "shipped_rts")
_PARCEL_STATUSES = {"shipped": "on_process", "completed": "delivered"}
_PARCEL_TEXTS = {"shipped": "Paket telah diserahkan ke kurir", "completed": "Paket telah diterima"}


def make_orders(
    rng: random.Random, store: Store, customer: Customer, moments: list[datetime], now: datetime, *, showcase: bool
) -> list[Order]:
    """Invents one customer's orders, newest first.

    Args:
        rng: the account's stream.
        store: where they buy.
        customer: who buys.
        moments: when each order was placed, UTC, newest first.
        now: the present of the world; later events have not happened.
        showcase: let the newest orders stand in every status once, so that no world lacks one.
    """
    orders = []
    for index, moment in enumerate(moments):
        forced = STATUSES[index] if showcase and index < len(STATUSES) else None
        orders.append(make_order(rng, store, customer, moment, now, forced=forced))
    return orders


def make_order(
    rng: random.Random, store: Store, customer: Customer, created: datetime, now: datetime, *, forced: str | None
) -> Order:
    """Invents one order placed at `created`; `forced` is the status it must stand in."""
    catalogue = CATALOGUES[store.number % len(CATALOGUES)]
    goods = pick(rng, catalogue)
    if forced is not None:
        goods = [good for good in goods if good[1].weight] or [(0, catalogue[0], 1)]
    digital = not any(variant.weight for _, variant, _ in goods)
    life = live(rng, created, now, digital=digital, forced=forced)
    basket = fill(rng, goods, life.method, PLACES[customer.place][4])
    slug = "".join(rng.choices(string.ascii_letters + string.digits, k=20))
    flat = created >= _FLAT_METHODS_SINCE
    return {
        "id": _uuid7(rng, created),
        "secret_slug": slug,
        "public_order_url": f"https://{store.host}/o/{slug}" if not chance(rng, 1) else None,
        "payment_url": f"https://{store.host}/o/{slug}/payment" if not chance(rng, 1) else None,
        "order_id": f"{created.astimezone(JAKARTA):%y%m%d}" + "".join(rng.choices(string.ascii_uppercase, k=6)),
        "store": _store(store) if not chance(rng, 0.3) else None,
        "customer": _customer(customer, life) if not chance(rng, 0.3) else None,
        "status": life.status,
        **_times(rng, life),
        "created_at": stamp(created),
        "last_updated_at": stamp(life.updated_at),
        "status_history": _history(rng, life),
        **_payment(rng, life, basket, flat=flat),
        **_amounts(rng, basket, flat=flat),
        **_delivery(rng, customer, life, basket),
        "orderlines": _lines(rng, store, basket, created),
        "notes": rng.choice(NOTES) if chance(rng, 12) else None,
    }


def _uuid7(rng: random.Random, moment: datetime) -> str:
    number = int(moment.timestamp()) * 1000 + rng.randrange(1000) << 80
    number |= 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    return str(UUID(int=number))


def _store(store: Store) -> Order:
    return {
        "name": store.name,
        "logo": f"https://cdn.{store.host}/logo.png",
        "unique_id": store.store_id,
        "payment_accounts": [
            {
                "id": 900 + number,
                "unique_id": f"pa_{store.number}{number}",
                "method": "bank_transfer",
                "account_holder": f"PT {store.name}",
                "account_number": f"70{store.number:02d}55{number:04d}",
                "financial_entity": {
                    "id": int(code), "code": code, "entity_type": "bank", "name": name,
                    "platform": None, "duitku_code": None, "xendit_code": name.upper(),
                },
            }
            for number, (code, name) in enumerate(BANKS[:2])
        ],
        "days_of_payment_processing": 1,
        "is_auto_expire": True,
        "auto_expire_days": 2,
        "is_show_whatsapp": True,
        "is_show_download_invoice": False,
    }  # fmt: skip


def _customer(customer: Customer, life: Life) -> Order:
    return {
        "id": customer.customer_id,
        "email": customer.email,
        "phone": customer.phone,
        "name": customer.full_name,
        "confirmed_at": None,
        "created_at": "2024-01-15T03:00:00Z",
        "last_updated_at": stamp(life.updated_at),
        "status": "active",
    }


def _times(rng: random.Random, life: Life) -> Order:
    """The 13 columns: the last entry into each status, with a few of the oddities real stores have."""
    times: Order = {f"{status}_time": None for status in (*_ORDER_TIMES, "unpaid", "paid", "transfer")}
    for moment, status in (*life.events, *life.payments):
        if f"{status}_time" in times:  # shipped_rts has no column
            times[f"{status}_time"] = stamp(moment)
    if life.status == "completed":
        if chance(rng, 12):
            times["confirmed_time"] = None
        if chance(rng, 0.8):
            times["completed_time"] = "00" + times["completed_time"][2:]  # staff typed a two-digit year
    if life.method == "bank_transfer" and times["paid_time"] and chance(rng, 80):
        paid = life.payments[-1][0]
        if chance(rng, 25):  # only a date was entered: midnight in Jakarta, perhaps before the order itself
            times["transfer_time"] = stamp(paid.astimezone(JAKARTA).replace(hour=0, minute=0, second=0))
        else:
            times["transfer_time"] = stamp(paid - timedelta(minutes=rng.randint(3, 90)))
    return times


def _history(rng: random.Random, life: Life) -> list[Order]:
    if chance(rng, 5):
        return []
    clerk = {"avatar": None, "email": "cs@toko.example", "name": "Rina CS"}
    key = rng.choices(("at", "time", "timestamp"), weights=(80, 15, 5))[0]
    entries = []
    for moment, status in reversed(life.events):
        by: object = None
        if status in {"confirmed", "in_process", "ready", "shipped"}:
            by = clerk if key == "at" else clerk["email"]
        entries.append({key: stamp(moment), "by": by, "status": status})
    return entries


def _payment(rng: random.Random, life: Life, basket: Basket, *, flat: bool) -> Order:
    method = life.method
    info: Order = {}
    if method.startswith("va_"):
        info = {"bank": method[3:].upper(), "va_number": f"8808{rng.randrange(10**12):012d}"}
    elif method in E_PAYMENTS:
        info = {"reference": f"PG{rng.randrange(10**10):010d}", "amount": str(basket.gross_revenue)}
    old = {} if flat else {"sub_payment_method": method[3:].upper() if method.startswith("va_") else None}
    return {
        "payment_status": life.payment_status,
        "payment_method": method,
        **old,
        **transfer_claim(rng, claimed=method == "bank_transfer" and life.payments[-1][1] == "paid"),
        "pg_payment_info": info,
    }


def transfer_claim(rng: random.Random, *, claimed: bool) -> Order:
    """What a buyer says of a bank transfer; empty fields until then."""
    return {
        "payment_account_holder": "Pembeli Contoh" if claimed else None,
        "payment_account_number": f"12{rng.randrange(10**8):08d}" if claimed else None,
        "transferproof_url": f"https://cdn.scalev.example/proof/{rng.getrandbits(64):016x}.jpg" if claimed else None,
    }


def _spelling(rng: random.Random) -> Callable[[int], Money]:
    """One order's way to write money: mostly `"168724.00"`, sometimes `"168724"`, a number, or null for zero."""
    style = rng.choices(("decimal", "short", "number", "nulls"), weights=(80, 5, 8, 7))[0]
    if style == "number":
        return lambda amount: amount
    if style == "short":
        return str
    if style == "nulls":
        return lambda amount: f"{amount}.00" if amount else None
    return lambda amount: f"{amount}.00"


def _amounts(rng: random.Random, basket: Basket, *, flat: bool) -> Order:
    money = _spelling(rng)
    new = {"payment_link_income": money(0)} if flat else {}
    return {
        "product_price": money(basket.product_price),
        "product_discount": money(basket.product_discount),
        "discount_code_discount": money(basket.code_discount),
        "discount_code_code": basket.code,
        "discount_code_applied_to": basket.code_applied_to,
        "unique_code_discount": money(basket.unique_code),
        "discount_rate": "0.00",
        "shipping_cost": money(basket.shipping_cost),
        "shipping_discount": money(basket.shipping_discount),
        "other_income": money(basket.other_income),
        "other_income_name": basket.other_income_name,
        **new,
        "gross_revenue": money(basket.gross_revenue),
        "gross_revenue_for_dropshipper": None,
    }


def _delivery(rng: random.Random, customer: Customer, life: Life, basket: Basket) -> Order:
    final_variants: dict[str, int] = {}
    for line in basket.lines:
        name = line.variant.product
        final_variants[name] = final_variants.get(name, 0) + line.quantity
    common = {
        "total_quantity": sum(line.quantity for line in basket.lines),
        "final_variants": final_variants,
        "product_weight": basket.weight,
        "total_weight": basket.weight,
        "is_dropshipping": chance(rng, 2),
    }
    if not basket.weight:
        return {
            **common,
            "destination_address": None,
            "courier_service": None,
            "shipment_receipt": None,
            "shipment_status": None,
            "awb_status": "unavailable",
            "shipment_status_history": [],
        }
    courier_id, courier_code, courier_name, service_id, code, name = rng.choice(COURIERS)
    steps = [(moment, status) for moment, status in life.events if status in _PARCEL]
    return {
        **common,
        "destination_address": _address(customer),
        "courier_service": {
            "id": service_id,
            "name": name,
            "code": code,
            "courier": {"id": courier_id, "name": courier_name, "code": courier_code},
        },
        "shipment_receipt": f"{courier_code.upper()}{rng.randrange(10**12):012d}" if steps else None,
        "shipment_status": _PARCEL_STATUSES.get(life.status, "returned") if steps else None,
        "awb_status": _AWB.get(life.status, "created"),
        "shipment_status_history": [_parcel_event(status, moment) for moment, status in reversed(steps)],
    }


def _parcel_event(status: str, moment: datetime) -> Order:
    return {
        "description": _PARCEL_TEXTS.get(status, "Paket dikembalikan ke pengirim"),
        "status": _PARCEL_STATUSES.get(status, "returned"),
        "timestamp": stamp(moment),
        "timestamp_source": "courier",
    }


def parcel_moved(rng: random.Random, order: Order, status: str, at: datetime) -> Order:
    """The parcel's fields that change when its order enters a status at `at`; none for digital goods."""
    courier = order["courier_service"]
    if courier is None:
        return {}
    changes: Order = {"awb_status": _AWB.get(status, "created")}
    if status in _PARCEL:
        receipt = f"{courier['courier']['code'].upper()}{rng.randrange(10**12):012d}"
        changes |= {
            "shipment_receipt": order["shipment_receipt"] or receipt,
            "shipment_status": _PARCEL_STATUSES.get(status, "returned"),
            "shipment_status_history": [_parcel_event(status, at), *order["shipment_status_history"]],
        }
    return changes


def _address(customer: Customer) -> Order:
    subdistrict, city, province, postal_code, _ = PLACES[customer.place]
    location = 3_000 + customer.place
    return {
        "id": customer.customer_id * 3,
        "name": customer.full_name,
        "phone": customer.phone,
        "location": location if customer.number % 2 else str(location),
        "address": customer.street,
        "subdistrict": subdistrict,
        "city": city,
        "province": province,
        "postal_code": postal_code,
    }


def _lines(rng: random.Random, store: Store, basket: Basket, created: datetime) -> list[Order]:
    money = _spelling(rng)
    currency = "IDR" if not chance(rng, 0.5) else None
    return [_line(rng, store, line, created, money, currency) for line in basket.lines]


def _line(
    rng: random.Random, store: Store, line: Line, created: datetime, money: Callable[[int], Money], currency: str | None
) -> Order:
    variant = line.variant
    recurring = variant.item_type == "subscription"
    return {
        "id": _uuid7(rng, created),
        "quantity": line.quantity,
        "variant": 20_000 + 100 * store.number + line.number,
        "variant_sku": f"SKU-{store.number + 1}{line.number + 1:02d}",
        "product_name": variant.product,
        "item_type": variant.item_type,
        "is_digital": variant.item_type != "physical",
        "is_file_enabled": variant.item_type == "digital",
        "is_lms_enabled": variant.item_type == "course",
        "is_license_enabled": variant.item_type == "license",
        "currency": currency,
        "pricing_type": "recurring" if recurring else "one_time",
        "interval": "month" if recurring else None,
        "interval_count": 1 if recurring else None,
        "variant_option1_value": variant.option1,
        "variant_option2_value": variant.option2,
        "variant_option3_value": None,
        "variant_price": money(variant.price),
        "product_price": money(line.gross),
        "discount": money(line.discount),
        "discount_code_discount": money(line.code_discount),
        "weight": variant.weight * line.quantity,
    }

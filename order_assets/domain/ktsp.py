"""KTSP orders: the documented fields as a typed struct, and their meaning as rows of the facts.

The source reports three amounts, a time and a shop; no status, lines, currency or shipping. What it does not report
is null here, never 0 (model.md, finding 12).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import clock, facts, keys, lenient, lifecycle, money, recognition
from order_assets.domain.columns import BOOL, INSTANT, INT, MONEY, TEXT, arrow, constant, label, series, text
from order_assets.domain.pages import Frames, Page, page_columns, readable
from order_assets.domain.recognition import Policy

SYSTEM = "ktsp"
UNKNOWN_STORE = "unknown"
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


_FIELDS = Order.__struct_fields__
_LOOSE_BODY = msgspec.json.Decoder(_LooseBody)
_BODY = msgspec.json.Decoder(_Body)
_CANONICAL = msgspec.json.Encoder(order="deterministic")
_AMOUNTS = {"original_amount": "originalAmount", "discount_amount": "discountAmount", "payment_amount": "paymentAmount"}


def decode(content: bytes) -> list[Order]:
    """Return the orders of a page; `items` may be absent or null.

    Raises:
        msgspec.DecodeError: the page is not JSON, or `items` is not a list of objects.
    """
    content = readable(content)
    try:
        return _BODY.decode(content).items or []
    except (msgspec.DecodeError, RecursionError):
        return [lenient.read(order, Order, {}) for order in _LOOSE_BODY.decode(content).items or []]


def derive(pages: Sequence[Page], policy: Policy, hmac_key: str) -> Frames:
    """Turn raw pages into rows of the facts and dimensions; the policy makes no difference to this source.

    Raises:
        msgspec.DecodeError: a page is not a page of orders (the crawl would have said so).
    """
    del policy
    decoded = [decode(page.content) for page in pages]
    orders = list(chain.from_iterable(decoded))
    context = page_columns(pages, [len(part) for part in decoded])
    length = len(orders)
    values = zip(*map(attrgetter(*_FIELDS), orders), strict=True) if orders else ([] for _ in _FIELDS)
    column: dict[str, Sequence[Any]] = dict(zip(_FIELDS, values, strict=True))
    flags = facts.Flags(length)

    fingerprints = text([keys.payload_sha256(_CANONICAL.encode(order)) for order in orders])
    frame = pd.DataFrame(_identity(column, context, fingerprints, hmac_key, flags))
    instants = clock.parse(column["order_time"], context["fetched_at"])
    flags.add("bad_timestamp:orderTime", instants.is_bad)
    has_time = pc.is_valid(arrow(instants.value))
    for code in ("ordered_at_missing", "recognised_at_missing"):
        flags.add(code, pc.invert(has_time))
    zones = context["store_time_zone"]
    frame["ordered_at"] = clock.first(instants.value, context["fetched_at"])
    frame["ordered_at_source"] = series(pc.if_else(has_time, "orderTime", "first_seen"))
    frame["order_date"] = clock.business_date(frame["ordered_at"], zones)
    frame["store_time_zone"] = zones
    frame["source_updated_at"] = constant(None, length, INSTANT)
    for name, values_of in facts.class_columns(recognition.assumed(length, instants.value), zones).items():
        frame[name] = values_of
    for name, values_of in _money(column, flags).items():
        frame[name] = values_of
    frame["currency_code"] = context["default_currency"]
    frame["currency_source"] = constant("account_config", length, TEXT)
    for name, dtype in _NOT_REPORTED.items():
        frame[name] = constant(None, length, dtype)
    frame["state_source"] = constant("assumed", length, TEXT)
    frame["is_deleted_at_source"] = constant(False, length, BOOL)
    frame["null_components"] = constant("{}", length, TEXT)
    frame["payload_sha256"] = fingerprints
    for name in ("partition_key", "crawl_id", "page_number", "position", "fetched_at"):
        frame[name] = context[name]
    frame["anomaly_codes"] = flags.column()
    no_events = lifecycle.no_events()
    return Frames(
        orders=frame,
        lifecycles=lifecycle.snapshot(frame, no_events, lifecycle.first_occurrences(no_events, length)),
        discounts=facts.discount_rows(frame, [_discount_kind(frame)]),
        stores=_stores(frame, column, context),
        customers=frame[["customer_key", "source_system", "source_account", "fetched_at"]].drop_duplicates(
            "customer_key", ignore_index=True
        ),
    )


# Columns of order_facts for which this source has no concept.
_NOT_REPORTED = {
    **dict.fromkeys(("source_order_uuid", "source_status", "source_payment_status"), TEXT),
    **dict.fromkeys(("source_shipment_status", "source_awb_status", "payment_method", "sub_payment_method"), TEXT),
    **dict.fromkeys(("is_cod", "is_dropship", "is_physical"), BOOL),
    **dict.fromkeys(("courier_code", "courier_service_code", "ship_province", "ship_city"), TEXT),
    **dict.fromkeys(("discount_code", "discount_code_applied_to", "other_income_name", "src_discount_rate"), TEXT),
    **dict.fromkeys(("src_product_price", "src_product_discount", "src_discount_code_discount"), MONEY),
    **dict.fromkeys(("src_unique_code_discount", "src_shipping_cost", "src_shipping_discount"), MONEY),
    **dict.fromkeys(("src_other_income", "src_gross_revenue", "src_gross_revenue_dropshipper"), MONEY),
    **dict.fromkeys(("line_count", "total_quantity", "src_total_quantity", "total_weight"), INT),
}


def _identity(
    column: dict[str, Sequence[Any]],
    context: pd.DataFrame,
    fingerprints: pd.Series,
    hmac_key: str,
    flags: facts.Flags,
) -> dict[str, pd.Series]:
    codes = label([_code(raw) for raw in column["order_code"]])
    flags.add("order_code_missing", pc.is_null(arrow(codes)))
    # An order without a code is known by its content: kept, and the same when it comes again.
    order_ids = series(pc.coalesce(arrow(codes), pc.binary_join_element_wise("sha256", arrow(fingerprints), ":")))
    store_codes = label(column["store_code"])
    flags.add("store_missing", pc.is_null(arrow(store_codes)))
    systems = constant(SYSTEM, len(codes), TEXT)
    accounts = context["source_account"]
    people = list(zip(accounts, context["account_name"], strict=True))
    pseudonyms = {person: keys.customer_key(hmac_key, SYSTEM, *person) for person in set(people)}
    return {
        "order_key": keys.order_keys(systems, accounts, order_ids),
        "source_system": systems,
        "source_account": accounts,
        "source_order_id": order_ids,
        "store_key": series(pc.binary_join_element_wise(SYSTEM, pc.fill_null(arrow(store_codes), UNKNOWN_STORE), "|")),
        "customer_key": text([pseudonyms[person] for person in people]),
    }


def _code(raw: msgspec.Raw) -> str | None:
    """Return an order code sent as text or as a number of any length; anything else is none."""
    sent = bytes(raw).decode()
    if sent.startswith('"'):
        return str(msgspec.json.decode(sent))
    return sent if sent[0] in "-0123456789" else None


def _money(column: dict[str, Sequence[Any]], flags: facts.Flags) -> dict[str, pd.Series]:
    """The three amounts are the canonical triple; each is a core amount."""
    amounts = {name: money.parse(column[name]) for name in _AMOUNTS}
    length = len(amounts["payment_amount"].value)
    bad = []
    for name, source_name in _AMOUNTS.items():
        is_bad = facts.any_of([amounts[name].is_bad, amounts[name].is_null])
        flags.add(f"bad_amount:{source_name}", is_bad)
        flags.add(f"negative_amount:{source_name}", pc.less(arrow(amounts[name].value), money.ZERO))
        bad.append(is_bad)
    no_money = constant(None, length, MONEY)
    measures = facts.finish_money(
        {
            "gross_sales_amount": amounts["original_amount"].value,
            "sales_discount_amount": amounts["discount_amount"].value,
            "shipping_charged_amount": no_money,
            "shipping_discount_amount": no_money,
            "other_income_amount": no_money,
            "original_amount": amounts["original_amount"].value,
            "discount_amount": amounts["discount_amount"].value,
            "payment_amount": amounts["payment_amount"].value,
            "technical_discount_amount": series(pa.repeat(money.ZERO, length)),
        },
        flags,
    )
    excluded = facts.excluded_reason(constant("account_config", length, TEXT), facts.any_of(bad))
    reportable = series(pc.is_null(arrow(excluded)))
    return {
        "is_money_reportable": reportable,
        "excluded_reason": excluded,
        **facts.withhold(measures, reportable),
    }


def _discount_kind(frame: pd.DataFrame) -> dict[str, object]:
    # The amount may mix coupons with points spent as cash, so its class is unknown.
    return {
        "discount_kind": "order",
        "discount_class": "unknown",
        "amount": frame["discount_amount"],
        "basis_amount": frame["original_amount"],
    }


def _stores(frame: pd.DataFrame, column: dict[str, Sequence[Any]], context: pd.DataFrame) -> pd.DataFrame:
    """One row per shop of the batch, with the last non-null name in each script; the English one is shown."""
    stores = pd.DataFrame({
        "store_key": frame["store_key"],
        "name_en": label(column["store_name_en"]),
        "name_sc": label(column["store_name_sc"]),
        "name_tc": label(column["store_name_tc"]),
        "time_zone": context["store_time_zone"],
        "default_currency": context["default_currency"],
        "fetched_at": context["fetched_at"],
    })  # fmt: skip
    last = stores.groupby("store_key", sort=True, as_index=False).last()
    last["source_system"] = constant(SYSTEM, len(last), TEXT)
    last["source_store_id"] = last["store_key"].str.slice(len(SYSTEM) + 1)
    last["display_name"] = (
        last["name_en"].fillna(last["name_tc"]).fillna(last["name_sc"]).fillna(last["source_store_id"])
    )
    return last

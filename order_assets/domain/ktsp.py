"""KTSP orders: what the documented fields mean, as rows of the facts. How a page is read is in `ktsp_page`.

The source reports three amounts, a time and a shop; no status, lines, currency or shipping. What it does not report
is null here, never 0 (model.md, finding 12).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import clock, facts, keys, lenient, lifecycle, money, recognition, status_events, unknown
from order_assets.domain.columns import BOOL, INSTANT, MONEY, TEXT, arrow, constant, indexable, label, series, text
from order_assets.domain.ktsp_page import FIELDS, decode, fingerprint, order_code
from order_assets.domain.pages import VERSION, Frames, Page, SourceSystem, page_columns
from order_assets.domain.recognition import Policy

SYSTEM: Final[SourceSystem] = "ktsp"
UNKNOWN_STORE = "unknown"
_AMOUNTS = {"original_amount": "originalAmount", "discount_amount": "discountAmount", "payment_amount": "paymentAmount"}


@lenient.refuses_deep_nesting
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
    values = zip(*map(attrgetter(*FIELDS), orders), strict=True) if orders else ([] for _ in FIELDS)
    column: dict[str, Sequence[Any]] = dict(zip(FIELDS, values, strict=True))
    flags = facts.Flags(length)

    fingerprints = [fingerprint(order) for order in orders]
    codes = list(map(order_code, orders))
    flags.add("order_code_missing", pa.array([code is None for code in codes], pa.bool_()))
    order_ids = text(list(map(keys.source_order_id, fingerprints, codes)))
    frame = pd.DataFrame(_identity(column, context, order_ids, hmac_key, flags))
    instants = clock.parse(column["order_time"], context["fetched_at"])
    flags.add("bad_timestamp:orderTime", instants.is_bad)
    has_time = pc.is_valid(arrow(instants.value))
    for flag in ("ordered_at_missing", "recognised_at_missing"):
        flags.add(flag, pc.invert(has_time))
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
    facts.fill_unreported(frame)
    frame["state_source"] = constant("assumed", length, TEXT)
    frame["is_deleted_at_source"] = constant(False, length, BOOL)
    frame["null_components"] = constant("{}", length, TEXT)
    frame["payload_sha256"] = text(fingerprints)
    for name in ("partition_key", "crawl_id", "page_number", "position", "fetched_at"):
        frame[name] = context[name]
    frame["anomaly_codes"] = flags.column()
    no_events = lifecycle.no_events()
    return Frames(
        orders=frame,
        lines=frame[VERSION].iloc[:0],
        events=status_events.ordered(frame, instants.value),
        lifecycles=lifecycle.snapshot(frame, no_events, lifecycle.first_occurrences(no_events, length)),
        discounts=facts.discount_rows(frame, [_discount_kind(frame)]),
        stores=_stores(frame, column, context),
        customers=_customers(frame),
        unknown=unknown.count_all(SYSTEM, (page.content for page in pages)),
    )


_NOT_KNOWN_OF_MEMBERS = {
    "customer_created_at": INSTANT,
    **dict.fromkeys(("source_status", "email_hmac", "phone_hmac"), TEXT),
}


def _identity(
    column: dict[str, Sequence[Any]],
    context: pd.DataFrame,
    order_ids: pd.Series,
    hmac_key: str,
    flags: facts.Flags,
) -> dict[str, pd.Series]:
    store_codes = indexable(label(column["store_code"]))
    flags.add("store_missing", pc.is_null(arrow(store_codes)))
    systems = constant(SYSTEM, len(order_ids), TEXT)
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


def _customers(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per member of the batch; the source says nothing about them."""
    columns = ["customer_key", "source_system", "source_account", "fetched_at"]
    members = frame[columns].drop_duplicates("customer_key", ignore_index=True)
    for name, dtype in _NOT_KNOWN_OF_MEMBERS.items():
        members[name] = constant(None, len(members), dtype)
    return members


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

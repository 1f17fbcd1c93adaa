"""The mapping: what Corner's fields mean, as rows of the facts. In the product: `domain/corner.py`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import clock, facts, keys, lifecycle, money, recognition, status_events, unknown
from order_assets.domain.columns import BOOL, INSTANT, MONEY, TEXT, arrow, constant, label, lowered, series, text
from order_assets.domain.pages import VERSION, Frames, Page, page_columns
from order_assets.domain.recognition import Policy
from order_assets_tests.extending.corner_page import decode, fingerprint, order_id

SYSTEM: Any = "corner"  # in the product a member of SourceSystem
# Corner's statuses in the words of the canonical model; each says how far the order is, and whether it is paid.
_STATUS = {"new": "pending", "paid": "confirmed", "done": "completed", "cancelled": "canceled"}
_PAYMENT = {"new": "unpaid", "paid": "paid", "done": "paid"}
_AMOUNTS = ("subtotal", "discount", "total")


def derive(pages: Sequence[Page], policy: Policy, hmac_key: str) -> Frames:
    """Turn raw pages into rows of the facts and dimensions; columns only, no loop over orders but to read them.

    Raises:
        msgspec.DecodeError: a page is not a page of orders (the crawl would have said so).
    """
    decoded = [decode(page.content) for page in pages]
    orders = list(chain.from_iterable(decoded))
    context = page_columns(pages, [len(part) for part in decoded])
    length = len(orders)
    flags = facts.Flags(length)

    fingerprints = list(map(fingerprint, orders))
    ids = text(list(map(order_id, orders, fingerprints)))
    systems, accounts, zones = constant(SYSTEM, length, TEXT), context["source_account"], context["store_time_zone"]
    people = list(zip(accounts, context["account_name"], strict=True))
    pseudonyms = {person: keys.customer_key(hmac_key, SYSTEM, *person) for person in set(people)}

    # When: instants are aware UTC, the business date is in the shop's zone.
    at = {name: clock.parse([getattr(o, name) for o in orders], context["fetched_at"]) for name in _TIMES}
    for name, instants in at.items():
        flags.add(f"bad_timestamp:{name}", instants.is_bad)
    placed = clock.first(at["placed_at"].value, context["fetched_at"])
    times = {milestone: at[name].value for name, milestone in _TIMES.items()}
    entries = lifecycle.events(times, lifecycle.no_events())
    firsts = lifecycle.first_occurrences(entries, length)

    # Whether it counts: the policy decides on the canonical words, so `recognition` works for this source too.
    sent = lowered([order.status for order in orders])
    flags.add("unknown_status", pc.invert(recognition.is_in(sent, tuple(_STATUS))))
    status, payment = sent.map(_STATUS).astype(TEXT), sent.map(_PAYMENT).astype(TEXT)
    no_method = constant(None, length, TEXT)
    classes = recognition.classify(status, payment, no_method, placed, firsts, policy)

    # How much, in which currency. What is not an exact amount keeps the order, out of every sum.
    currency = label([order.currency for order in orders])
    is_valid = pc.fill_null(pc.match_substring_regex(arrow(currency), "^[A-Z]{3}$"), False)
    currency_source = series(pc.if_else(is_valid, "lines", "invalid"))
    amounts = {name: money.parse([getattr(order, name) for order in orders]) for name in _AMOUNTS}
    bad = [facts.any_of([parsed.is_bad, parsed.is_null]) for parsed in amounts.values()]
    for name, where in zip(amounts, bad, strict=True):
        flags.add(f"bad_amount:{name}", where)
    excluded = facts.excluded_reason(currency_source, facts.any_of(bad))
    reportable = series(pc.is_null(arrow(excluded)))

    frame = pd.DataFrame({
        "order_key": keys.order_keys(systems, accounts, ids),
        "source_system": systems,
        "source_account": accounts,
        "source_order_id": ids,
        "store_key": series(pc.binary_join_element_wise(SYSTEM, arrow(accounts), "|")),
        "customer_key": text([pseudonyms[person] for person in people]),
        "source_status": sent,
        "source_payment_status": payment,  # the same field tells both; the rules, and `explain`, look here
        "ordered_at": placed,
        "ordered_at_source": series(pc.if_else(pc.is_valid(arrow(at["placed_at"].value)), "created_at", "first_seen")),
        "order_date": clock.business_date(placed, zones),
        "store_time_zone": zones,
        "source_updated_at": constant(None, length, INSTANT),
        **facts.class_columns(classes, zones),
        "state_source": constant("source", length, TEXT),
        "is_money_reportable": reportable,
        "excluded_reason": excluded,
        "currency_code": series(pc.if_else(is_valid, arrow(currency), facts.NO_CURRENCY)),
        "currency_source": currency_source,
        **facts.withhold(_measures(amounts, length, flags), reportable),
        "is_deleted_at_source": constant(False, length, BOOL),
        "null_components": constant("{}", length, TEXT),
        "payload_sha256": text(fingerprints),
        **{name: context[name] for name in ("partition_key", "crawl_id", "page_number", "position", "fetched_at")},
    })  # fmt: skip
    facts.fill_unreported(frame)
    frame["anomaly_codes"] = flags.column()
    return Frames(
        orders=frame,
        lines=frame[VERSION].iloc[:0],
        events=status_events.log(frame, times, order=lifecycle.no_events(), shipment=lifecycle.no_events()),
        lifecycles=lifecycle.snapshot(frame, entries, firsts),
        discounts=facts.discount_rows(
            frame,
            [{
                "discount_kind": "order",
                "discount_class": "unknown",
                "amount": frame["discount_amount"],
                "basis_amount": frame["original_amount"],
            }],
        ),
        stores=_stores(frame, context),
        customers=_customers(frame),
        unknown=unknown.count_all(SYSTEM, (page.content for page in pages)),
    )  # fmt: skip


_TIMES = {"placed_at": "pending", "paid_at": "paid", "cancelled_at": "canceled"}


def _measures(amounts: dict[str, money.Amounts], length: int, flags: facts.Flags) -> dict[str, pd.Series]:
    """Return the measures; what this source has no concept of is null, never 0."""
    nothing = constant(None, length, MONEY)
    subtotal, discount = amounts["subtotal"].value, amounts["discount"].value
    return facts.finish_money(
        {
            "gross_sales_amount": subtotal,
            "sales_discount_amount": discount,
            "shipping_charged_amount": nothing,
            "shipping_discount_amount": nothing,
            "other_income_amount": nothing,
            "original_amount": subtotal,
            "discount_amount": discount,
            "payment_amount": amounts["total"].value,
            "technical_discount_amount": series(pa.repeat(money.ZERO, length)),
        },
        flags,
    )


def _stores(frame: pd.DataFrame, context: pd.DataFrame) -> pd.DataFrame:
    """One row per shop of the batch; it is known by its account's name."""
    stores = pd.DataFrame({
        "store_key": frame["store_key"],
        "source_system": frame["source_system"],
        "source_store_id": frame["source_account"],
        "display_name": frame["source_account"],
        **{name: constant(None, len(frame), TEXT) for name in ("name_en", "name_sc", "name_tc")},
        "time_zone": context["store_time_zone"],
        "default_currency": context["default_currency"],
        "fetched_at": context["fetched_at"],
    })  # fmt: skip
    return stores.drop_duplicates("store_key", keep="last", ignore_index=True)


def _customers(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per buyer of the batch, by pseudonym; the source says nothing else about them."""
    known = ["customer_key", "source_system", "source_account", "fetched_at"]
    customers = frame[known].drop_duplicates("customer_key", ignore_index=True)
    customers["customer_created_at"] = constant(None, len(customers), INSTANT)
    for name in ("source_status", "email_hmac", "phone_hmac"):
        customers[name] = constant(None, len(customers), TEXT)
    return customers

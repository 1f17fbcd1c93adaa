"""What each anomaly code of a fact means (model.md 1.7), in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WORDS: Mapping[str, str] = MappingProxyType({
    "residual_positive": "the buyer was charged more than the parts add up to; with e-payment usually a payment fee",
    "residual_negative": "the buyer was charged less than the parts add up to; the source does not say why",
    "bad_timestamp": "this time is impossible (before 2000, after it was fetched, or without an offset); it is unused",
    "mixed_currency": "the lines are in several currencies, so the order is in no sum of money",
    "bad_currency": "the currency is not a code of three letters, so the order is in no sum of money",
    "currency_defaulted": "no line names a currency; the store's configured one was taken",
    "bad_amount": "this amount is missing or cannot be read, so the order is in no sum of money",
    "negative_amount": "this amount is below zero",
    "discount_exceeds_original": "the discounts are larger than what they were taken from",
    "unknown_status": "the order status is none that the vendor documents; the order does not count as revenue by it",
    "unknown_payment_status": "the payment status is none that the vendor documents",
    "payment_conflict": "the source itself says that the payment is in conflict",
    "completed_unpaid": "completed but neither paid nor of a method that is paid on delivery, so it stays open",
    "recognised_at_missing": "counts as revenue, but no valid time says since when",
    "ordered_at_missing": "no valid time says when it was placed; when it was first seen stands in",
    "line_sum_mismatch": "the lines do not add up to the order's product price, neither as totals nor per unit",
    "line_discount_mismatch": "the discounts of the lines do not add up to the order's",
    "line_code_mismatch": "the code discounts of the lines do not add up to the order's",
    "quantity_mismatch": "the quantities of the lines do not add up to the order's (bundles may differ)",
    "no_lines": "the order has no lines",
    "store_missing": "the order names no store and is under the default one",
    "customer_missing": "the order names no customer and belongs to whom its account does",
    "order_code_missing": "the order has no code of its own; its id, or its content, stands in",
    "code_without_amount": "there is a discount code, but it took nothing off",
    "amount_without_code": "there is a discount by code, but no code",
    "zero_payment_paid": "paid, but nothing was to be paid",
    "sequence_break": "the statuses were not reached in their usual order",
    "member_conflict": "another member's history lists this order too; it stays with who brought it first",
})  # fmt: skip
"""Text per code; a code with a field (`bad_amount:FIELD`) is found by the part before the colon."""


def in_words(code: str) -> str:
    """Return what a code of a fact means."""
    kind, _, field = code.partition(":")
    words = WORDS.get(kind, "not described in this version")
    return f"{field}: {words}" if field else words

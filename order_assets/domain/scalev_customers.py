"""Who a Scalev order's customer is: rows of `dim_customer`, which know a person by pseudonyms alone.

Addresses and numbers become keyed hashes here, if the policy says so, and go no further. How an order finds its
customer is in `scalev`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from order_assets.domain import clock, keys
from order_assets.domain.columns import TEXT, constant, lowered, one_label, text
from order_assets.domain.recognition import Policy

_NO_DIGIT = re.compile(r"[^0-9]+")
_E164_DIGITS = range(7, 16)
_HOME = "62"  # Scalev serves Indonesia: a number without a country is one of there
_OF_PERSON = ["source_status", "customer_created_at", "email_hmac", "phone_hmac"]


def rows(customers: Sequence[Any], orders: pd.DataFrame, policy: Policy, hmac_key: str) -> pd.DataFrame:
    """Return one row per pseudonym of the batch, with the last value seen of what the source says about the person.

    Args:
        customers: the customer of each order as read, or None.
        orders: the frame of orders, with their `customer_key`.
        policy: whether addresses and numbers are turned into pseudonyms at all.
        hmac_key: the key of the pseudonyms.
    """
    known = [customer for customer in customers if customer is not None]
    frame = orders.loc[
        [customer is not None for customer in customers],
        ["customer_key", "source_system", "source_account", "fetched_at"],
    ].reset_index(drop=True)
    frame["source_status"] = lowered(customer.status for customer in known)
    frame["customer_created_at"] = clock.parse(
        (_sent(customer.created_at) for customer in known), frame["fetched_at"]
    ).value
    for field, normal in (("email", normal_email), ("phone", normal_phone)):
        frame[f"{field}_hmac"] = constant(None, len(frame), TEXT)
        if policy.store_email_phone_hmac:
            told = [(account, normal(one_label(getattr(customer, field)) or "") or "")
                    for account, customer in zip(frame["source_account"].tolist(), known, strict=True)]  # fmt: skip
            made = {
                (account, value): keys.customer_key(hmac_key, "scalev", account, f"{field}:{value}")
                for account, value in set(told)
                if value
            }
            frame[f"{field}_hmac"] = text([made.get(pair) for pair in told])
    everyone = orders[["customer_key", "source_system", "source_account", "fetched_at"]]
    last = frame.sort_values("fetched_at", kind="stable").groupby("customer_key")[_OF_PERSON].last()
    first = everyone.drop_duplicates("customer_key", ignore_index=True)
    return first.join(last, on="customer_key")


def normal_email(sent: str) -> str | None:
    """Return an address as it is compared: trimmed, in lower case."""
    return sent.strip().lower() or None


def normal_phone(sent: str) -> str | None:
    """Return the digits of a number as E.164 has them, without the plus; None if it cannot be a number.

    `+62 812…`, `0062812…`, `0812…` and `62812…` are the same.
    """
    digits = _NO_DIGIT.sub("", sent)
    if digits.startswith("00"):
        digits = digits[2:]
    elif digits.startswith("0"):
        digits = _HOME + digits[1:]
    return digits if len(digits) in _E164_DIGITS else None


def _sent(value: object) -> object:
    return value if isinstance(value, str) else None

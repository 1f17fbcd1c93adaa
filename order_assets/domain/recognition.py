"""Which orders count as revenue, since when, and which are lost (model.md 1.1 and 1.4).

Rows are classed, never dropped: summaries show recognised, open and lost side by side, whatever the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain.columns import INSTANT, TEXT, arrow, constant, series

Recognition = Literal["paid", "placed", "shipped", "completed"]

STATUS_MAP: Mapping[str, str] = MappingProxyType({
    "draft": "draft",
    "pending": "open",
    "confirmed": "processing",
    "in_process": "processing",
    "ready": "processing",
    "shipped": "shipped",
    "completed": "completed",
    "rts": "returned",
    "shipped_rts": "returned",
    "canceled": "canceled",
    "closed": "closed",
})  # fmt: skip
PAYMENT_STATES = ("unpaid", "paid", "settled", "conflict")


@dataclass(frozen=True, slots=True)
class Policy:
    """The merchant's choices.

    `cod_like_methods`: payment methods whose completed orders count as paid without a payment status. `status_map`:
    what an order status (lower case) means; others are `unknown` and never revenue by themselves.
    `store_email_phone_hmac`: whether customers get pseudonyms of their e-mail address and phone number too.
    """

    recognition: Recognition = "paid"
    cod_like_methods: tuple[str, ...] = ("cod", "no_payment", "marketplace")
    status_map: Mapping[str, str] = field(default_factory=lambda: STATUS_MAP)
    store_geography: bool = False
    store_email_phone_hmac: bool = False


@dataclass(frozen=True, slots=True)
class Classes:
    """Text and instant columns of `order_facts`, one row per order."""

    order_state: pd.Series
    payment_state: pd.Series
    recognition_state: pd.Series
    lost_kind: pd.Series
    recognised_at: pd.Series
    recognised_at_source: pd.Series
    lost_at: pd.Series


def classify(
    status: pd.Series,
    payment_status: pd.Series,
    payment_method: pd.Series,
    ordered_at: pd.Series,
    firsts: dict[str, pd.Series],
    policy: Policy,
) -> Classes:
    """Class Scalev orders by what their status means, never by the presence of a time.

    Args:
        status: lower-case text, null where absent.
        payment_status: likewise.
        payment_method: likewise.
        ordered_at: when the order was placed (aware UTC); when an order counts under the policy `placed`.
        firsts: first valid instant per milestone, from `lifecycle.first_occurrences`.
        policy: the merchant's choices.
    """
    at = {name: arrow(column) for name, column in firsts.items()}
    is_paid = is_in(payment_status, ("paid", "settled"))
    state = status.map(dict(policy.status_map)).astype(TEXT).fillna("unknown")
    is_closed = is_in(state, ("closed",))
    rts = pc.or_(is_in(state, ("returned",)), pc.and_(is_closed, pc.is_valid(at["rts"])))
    canceled = pc.and_not(pc.or_(is_in(state, ("canceled",)), pc.and_(is_closed, pc.is_valid(at["canceled"]))), rts)
    closed_unpaid = pc.and_not(pc.and_not(is_closed, is_paid), pc.or_(rts, canceled))
    draft = is_in(state, ("draft",))
    is_lost = pc.or_(pc.or_(rts, canceled), closed_unpaid)
    if policy.recognition == "placed":
        nobody = pa.repeat(pa.scalar(False), len(status))
        is_lost = rts = canceled = closed_unpaid = nobody
    recognised, recognised_at, source = _recognise(
        state, is_paid, is_in(payment_method, policy.cod_like_methods), arrow(ordered_at), at, policy
    )
    recognised = pc.and_not(recognised, pc.or_(draft, is_lost))
    no_text = pa.scalar(None, pa.string())
    lost_kind = pc.case_when(pc.make_struct(rts, canceled, closed_unpaid), "rts", "canceled", "closed_unpaid", no_text)
    no_time = pa.scalar(None, INSTANT.pyarrow_dtype)
    # A lost order that was paid has both movements, so it keeps the time of its recognition.
    dated = pc.and_(pc.or_(recognised, pc.and_(is_lost, is_paid)), pc.is_valid(recognised_at))
    return Classes(
        order_state=state,
        payment_state=series(pc.if_else(is_in(payment_status, PAYMENT_STATES), arrow(payment_status), "unknown")),
        recognition_state=series(
            pc.case_when(pc.make_struct(draft, is_lost, recognised), "draft", "lost", "recognised", "open")
        ),
        lost_kind=series(lost_kind),
        recognised_at=series(pc.if_else(dated, recognised_at, no_time)),
        recognised_at_source=series(pc.if_else(dated, source, no_text)),
        lost_at=series(
            pc.case_when(pc.make_struct(rts, canceled, closed_unpaid), at["rts"], at["canceled"], at["closed"], no_time)
        ),
    )


def _recognise(
    state: pd.Series,
    is_paid: pa.Array,
    is_cod_like: pa.Array,
    ordered_at: pa.Array,
    at: dict[str, pa.Array],
    policy: Policy,
) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return which orders meet the policy, when they did, and which time said so."""
    if policy.recognition == "placed":
        everyone = pa.repeat(pa.scalar(True), len(state))
        return everyone, ordered_at, pa.repeat("ordered_at", len(state))
    if policy.recognition == "shipped":
        when, source = _first_of(at, "shipped", "completed")
        return is_in(state, ("shipped", "completed")), when, source
    when, source = _first_of(at, "completed")
    if policy.recognition == "completed":
        return is_in(state, ("completed",)), when, source
    by_payment = pc.and_(is_paid, pc.is_valid(at["paid"]))
    recognised = pc.or_(is_paid, pc.and_(is_in(state, ("completed",)), is_cod_like))
    return recognised, pc.if_else(by_payment, at["paid"], when), pc.if_else(by_payment, "paid_time", source)


def _first_of(at: dict[str, pa.Array], *milestones: str) -> tuple[pa.Array, pa.Array]:
    when = pc.coalesce(*(at[name] for name in milestones))
    named = [pc.if_else(pc.is_valid(at[name]), f"{name}_time", pa.scalar(None, pa.string())) for name in milestones]
    return when, pc.coalesce(*named)


def is_in(column: pd.Series, values: tuple[str, ...]) -> pa.Array:
    """Return where a text column holds one of the values; null is not one of them."""
    return pc.is_in(arrow(column), value_set=pa.array(values, pa.string()))


def assumed(length: int, recognised_at: pd.Series) -> Classes:
    """Return the classes of KTSP orders: the source reports no status, so a listed order counts as completed and paid.

    Policies make no difference, since none of their conditions can be seen.
    """
    has_time = pc.is_valid(arrow(recognised_at))
    return Classes(
        order_state=constant("completed", length, TEXT),
        payment_state=constant("assumed_paid", length, TEXT),
        recognition_state=constant("recognised", length, TEXT),
        lost_kind=constant(None, length, TEXT),
        recognised_at=recognised_at,
        recognised_at_source=series(pc.if_else(has_time, "orderTime", pa.scalar(None, pa.string()))),
        lost_at=constant(None, length, INSTANT),
    )

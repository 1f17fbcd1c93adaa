"""What becomes of a Scalev order after it was made: its document after a status, a payment or a correction.

Every function returns a new document. Which orders change, and when, is decided in `evolution`.
"""

import random
from datetime import datetime, timedelta
from decimal import Decimal

from order_assets.sandbox.scalev_life import chance
from order_assets.sandbox.scalev_orders import Money, Order, parcel_moved, transfer_claim
from order_assets.sandbox.seasons import between, stamp

FINAL = frozenset({"completed", "rts", "shipped_rts", "canceled", "closed"})
# Where an open order goes next, and the odds.
_NEXT: dict[str, dict[str, int]] = {
    "draft": {"pending": 1},
    "pending": {"confirmed": 85, "canceled": 15},
    "confirmed": {"in_process": 96, "closed": 4},
    "in_process": {"ready": 1},
    "ready": {"shipped": 1},
    "shipped": {"completed": 88, "rts": 11, "shipped_rts": 1},
}
# Percent of the orders of a status that move in one step.
_PACE = {"draft": 15, "shipped": 35, "completed": 40}
_USUAL_PACE = 65
# An order that nobody touched for so long is abandoned.
_STALE_AFTER = timedelta(days=45)
_PAID = ("paid", "settled")


def entered(order: Order, status: str, at: datetime) -> Order:
    """The order after it entered a status at `at`: status, its time, update and history."""
    history = order["status_history"]
    key = next((name for name in ("time", "timestamp") if history and name in history[0]), "at")
    changes: Order = {
        "status": status,
        "last_updated_at": stamp(at),
        "status_history": [{key: stamp(at), "by": None, "status": status}, *history],
    }
    if f"{status}_time" in order:  # shipped_rts has no column
        changes[f"{status}_time"] = stamp(at)
    return order | changes


def advanced(rng: random.Random, order: Order, then: datetime, now: datetime) -> Order | None:
    """The order one event further, at a moment after `then` and up to `now`; None if it rests."""
    status, updated = order["status"], datetime.fromisoformat(order["last_updated_at"])
    start = max(then, updated)
    is_owed = status == "completed" and order["payment_method"] == "cod" and order["payment_status"] == "unpaid"
    if not (is_owed or status in _NEXT) or start >= now or then - updated > _STALE_AFTER:
        return None
    if not chance(rng, _PACE.get(status, _USUAL_PACE)):
        return None
    at = between(rng, start, now)
    if is_owed:  # the courier hands the cash over
        return _paid(rng, order, at)
    odds = _NEXT[status]
    following = rng.choices(list(odds), weights=list(odds.values()))[0]
    if following == "in_process" and order["courier_service"] is None:
        following = "completed"  # digital goods are delivered by a link
    if following == "pending":
        order = order | {"payment_status": order["payment_status"] or "unpaid"}
    elif following == "confirmed" and order["payment_method"] != "cod" and order["payment_status"] not in _PAID:
        order = _paid(rng, order, at - timedelta(seconds=rng.randint(1, 300)))
    return entered(order, following, at) | parcel_moved(rng, order, following, at)


def corrected(rng: random.Random, order: Order, then: datetime, now: datetime) -> Order | None:
    """The order after staff corrected its surcharge or its date; None if it changed too lately for that.

    The total follows the surcharge. The number of the order stays, also when its date moves to another day.
    """
    start = max(then, datetime.fromisoformat(order["last_updated_at"]))
    if start >= now:
        return None
    changes: Order = {"last_updated_at": stamp(between(rng, start, now))}
    if chance(rng, 35):
        created = datetime.fromisoformat(order["created_at"])
        return order | changes | {"created_at": stamp(created - timedelta(minutes=rng.randint(60, 4_320)))}
    income, difference = _rupiah(order["other_income"]), rng.choice((-2_000, -1_000, 1_500, 2_500, 5_000))
    difference = difference if income + difference >= 0 else -difference
    changes |= {
        "other_income": _spelled_as(order["other_income"], income + difference),
        "other_income_name": order["other_income_name"] or "Biaya Lainnya",
        "gross_revenue": _spelled_as(order["gross_revenue"], _rupiah(order["gross_revenue"]) + difference),
    }
    return order | changes


def _paid(rng: random.Random, order: Order, at: datetime) -> Order:
    created = datetime.fromisoformat(order["created_at"])
    paid_at = max(created, at)
    changes: Order = {
        "payment_status": "paid",
        "paid_time": stamp(paid_at),
        "last_updated_at": max(order["last_updated_at"], stamp(paid_at)),
    }
    if order["payment_method"] == "bank_transfer":
        transferred = max(created, paid_at - timedelta(minutes=rng.randint(3, 90)))
        changes |= {"transfer_time": stamp(transferred), **transfer_claim(rng, claimed=True)}
    return order | changes


def _rupiah(value: Money) -> int:
    return int(Decimal(value or 0))


def _spelled_as(example: Money, amount: int) -> Money:
    """Writes an amount as the order writes its money."""
    if isinstance(example, int):
        return amount
    if isinstance(example, str) and "." not in example:
        return str(amount)
    return f"{amount}.00"

"""How the world goes on: what a few hours bring to one account. Orders come, advance, are corrected and go.

Pure functions of a seeded stream and an account's orders; the world decides which accounts are touched and
keeps the result. An order is changed at most once in a step, so that the counts are numbers of orders.
"""

import random
from collections import Counter
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

from order_assets.sandbox.catalogue import SHOPS
from order_assets.sandbox.ktsp_orders import make_order as make_ktsp_order
from order_assets.sandbox.people import Customer, Store
from order_assets.sandbox.scalev_changes import FINAL, advanced, corrected
from order_assets.sandbox.scalev_life import chance
from order_assets.sandbox.scalev_orders import make_order as make_scalev_order
from order_assets.sandbox.seasons import between

Order = dict[str, Any]

_SHARE = 10  # one account in so many is touched by a step
_AT_LEAST = 3
_NEW_ORDERS = (40, 45, 15)  # odds of none, one, two
_FIRST_PAGE = 25
_LATEST_ARRIVAL = timedelta(days=10)
_EARLIEST_ARRIVAL = timedelta(hours=24)


@dataclass(frozen=True)
class Changes:
    """What happened to the world, in numbers of orders.

    Attributes:
        added: new orders with a time of purchase of the present.
        advanced: Scalev orders that entered another status, or were paid.
        corrected: Scalev orders with another amount or `created_at`, open or long final.
        deleted: orders that are gone.
        late: new KTSP orders with a time of purchase one to ten days in the past.
    """

    added: int = 0
    advanced: int = 0
    corrected: int = 0
    deleted: int = 0
    late: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        """Both together."""
        return Changes(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


def touched(rng: random.Random, accounts: list[str]) -> list[str]:
    """The accounts that a step touches: one in ten, in small worlds at least three."""
    return rng.sample(accounts, min(len(accounts), max(_AT_LEAST, len(accounts) // _SHARE)))


def hours_of_a_step(rng: random.Random) -> timedelta:
    """How far a step moves the present of the world."""
    return timedelta(hours=rng.randint(4, 20))


def evolve_scalev(
    rng: random.Random, store: Store, customer: Customer, orders: list[Order], then: datetime, now: datetime
) -> tuple[list[Order], Changes]:
    """The customer's orders after the time from `then` to `now`, unsorted, and what happened."""
    fates = _fates(rng, orders)
    kept: list[Order] = []
    counts = Counter[str]()
    for order in orders:
        fate = fates.get(order["id"], "advanced")
        if fate == "deleted":
            counts[fate] += 1
            continue
        changed = corrected(rng, order, then, now) if fate == "corrected" else advanced(rng, order, then, now)
        counts[fate] += changed is not None
        kept.append(changed or order)
    for _ in range(_draw_new(rng)):
        kept.append(make_scalev_order(rng, store, customer, between(rng, then, now), now, forced="pending"))
        counts["added"] += 1
    return kept, Changes(**counts)


def _fates(rng: random.Random, orders: list[Order]) -> dict[str, str]:
    """Which orders, by id, are deleted or corrected: mostly recent ones, now and then a final one far down."""
    fates: dict[str, str] = {}
    if orders and chance(rng, 35):
        old = [order for order in orders[_FIRST_PAGE:] if order["status"] in FINAL]
        chosen = rng.choice(old if old and chance(rng, 40) else orders[:_FIRST_PAGE])
        fates[chosen["id"]] = "corrected"
    if orders and chance(rng, 15):
        fates[rng.choice(orders)["id"]] = "deleted"
    return fates


def evolve_ktsp(rng: random.Random, orders: list[Order], then: datetime, now: datetime) -> tuple[list[Order], Changes]:
    """The member's orders after the time from `then` to `now`, unsorted, and what happened."""
    kept = list(orders)
    counts = Counter[str]()
    if kept and chance(rng, 10):
        kept.pop(rng.randrange(len(kept)))
        counts["deleted"] += 1
    moments = [between(rng, then, now) for _ in range(_draw_new(rng))]
    counts["added"] += len(moments)
    if chance(rng, 25):  # a till that was offline
        moments.append(between(rng, now - _LATEST_ARRIVAL, now - _EARLIEST_ARRIVAL))
        counts["late"] += 1
    kept += [make_ktsp_order(rng, moment, list(SHOPS), recorded=now) for moment in moments]
    return kept, Changes(**counts)


def _draw_new(rng: random.Random) -> int:
    return rng.choices(range(len(_NEW_ORDERS)), weights=_NEW_ORDERS)[0]

"""A KTSP order as the order list shows it. Amounts are HKD, computed in whole cents. Serving is in `ktsp`."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from order_assets.sandbox.catalogue import SHOPS
from order_assets.sandbox.scalev_life import chance

Order = dict[str, Any]

HONG_KONG = ZoneInfo("Asia/Hong_Kong")


def make_orders(rng: random.Random, moments: list[datetime]) -> list[Order]:
    """Invents one member's orders at these moments (UTC, newest first)."""
    favourites = rng.sample(SHOPS, 4)
    return [make_order(rng, moment, favourites) for moment in moments]


def make_order(rng: random.Random, moment: datetime, favourites: list[Any], recorded: datetime | None = None) -> Order:
    """Invents one order.

    Args:
        rng: the account's stream.
        moment: time of purchase, UTC.
        favourites: shops the member visits most.
        recorded: when the till reported it, UTC; drawn by default.
    """
    shop = rng.choice(favourites if chance(rng, 70) else SHOPS)
    # Tills price in 10-cent steps.
    original = rng.randrange(shop.low * 10, shop.high * 10) * 10
    percent = rng.choice((0, 0, 0, 5, 10, 15, 20, 30))
    discount = original * percent // 100
    anonymous = chance(rng, 1.5)
    # Some tills report days later; the code carries the day of the record, not of the purchase.
    drawn = moment + timedelta(days=rng.randint(1, 10) if chance(rng, 10) else 0)
    recorded = recorded or drawn
    return {
        "orderCode": f"{recorded.astimezone(HONG_KONG):%Y%m%d}{rng.randrange(10**19, 18 * 10**18):020d}",
        "orderTime": _order_time(moment, utc=chance(rng, 5)),
        "originalAmount": _cents(original),
        "discountAmount": _cents(discount),
        "paymentAmount": _cents(original - discount),
        "storeCode": None if anonymous else shop.code,
        "storeNameEn": None if anonymous else shop.name_en,
        "storeNameSc": None if anonymous else shop.name_sc,
        "storeNameTc": None if anonymous else shop.name_tc,
    }


def _order_time(moment: datetime, *, utc: bool) -> str:
    if utc:
        return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
    return moment.astimezone(HONG_KONG).isoformat(timespec="seconds")


def _cents(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"

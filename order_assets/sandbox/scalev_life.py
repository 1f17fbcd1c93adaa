"""The life of a Scalev order: payment method, and the statuses it entered and when.

Pure drawing of events; how an order looks as JSON is in `scalev_orders`.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

E_PAYMENTS = frozenset(
    {
        "qris", "card", "payment_link", "alfamart", "ovo", "dana", "shopeepay", "linkaja", "gopay",
        "va_bca", "va_bni", "va_bri", "va_mandiri", "va_permata", "va_cimb", "va_bsi",
    }
)  # fmt: skip
_METHODS = {
    "bank_transfer": 340, "cod": 300, "qris": 100, "va_bca": 50, "va_bri": 30, "va_mandiri": 25, "va_bni": 20,
    "va_bsi": 6, "va_permata": 4, "va_cimb": 4, "dana": 24, "gopay": 22, "ovo": 18, "shopeepay": 16, "linkaja": 4,
    "card": 16, "alfamart": 8, "payment_link": 6, "invoice": 6, "marketplace": 6, "no_payment": 5,
}  # fmt: skip
_SHIPPING = ("draft", "pending", "confirmed", "in_process", "ready", "shipped")
_PATHS: dict[str, tuple[str, ...]] = {
    **{status: _SHIPPING[: index + 1] for index, status in enumerate(_SHIPPING)},
    "completed": (*_SHIPPING, "completed"),
    "rts": (*_SHIPPING, "rts"),
    "shipped_rts": (*_SHIPPING, "shipped_rts"),
    "canceled": ("draft", "pending", "canceled"),
    "closed": ("draft", "pending", "confirmed", "closed"),
}
STATUSES = tuple(_PATHS)
_REOPENED = ("draft", "pending", "confirmed", "pending", "canceled")
_DIGITAL = ("draft", "pending", "confirmed", "completed")
# Minutes from the status before, at least and at most.
_GAPS = {
    "draft": (0, 0), "pending": (0, 4), "confirmed": (6, 900), "in_process": (30, 480), "ready": (60, 900),
    "shipped": (60, 1_200), "completed": (2_800, 9_000), "rts": (8_000, 17_000), "shipped_rts": (4_000, 8_000),
    "canceled": (1_200, 2_900), "closed": (600, 9_000),
}  # fmt: skip
_OUTCOMES = {"completed": 845, "canceled": 80, "rts": 30, "closed": 15, "draft": 15, "shipped_rts": 3}
_COD_OUTCOMES = {"completed": 740, "canceled": 90, "rts": 130, "closed": 10, "draft": 10, "shipped_rts": 6}
_SETTLES_AFTER = timedelta(days=20)


def chance(rng: random.Random, percent: float) -> bool:
    """True in `percent` of 100 draws."""
    return rng.random() * 100 < percent


@dataclass(frozen=True)
class Life:
    """What happened to one order up to now.

    Attributes:
        method: payment method as Scalev spells it.
        events: (moment in UTC, status entered), oldest first, of the order itself.
        payments: the same of its payment: `unpaid`, then perhaps `paid`.
        payment_status: as the API shows it now; None in a few drafts.
    """

    method: str
    events: tuple[tuple[datetime, str], ...]
    payments: tuple[tuple[datetime, str], ...]
    payment_status: str | None

    @property
    def status(self) -> str:
        """Where the order stands now."""
        return self.events[-1][1]

    @property
    def updated_at(self) -> datetime:
        """The newest of all events."""
        return max(self.events[-1][0], self.payments[-1][0])


def live(rng: random.Random, created: datetime, now: datetime, *, digital: bool, forced: str | None) -> Life:
    """Draws the life of one order.

    Args:
        rng: the account's stream.
        created: when it was placed, UTC.
        now: nothing later than this has happened yet.
        digital: no parcel, hence no cash on delivery and no shipping statuses.
        forced: the status it must stand in now, whatever the odds; None for the usual course.
    """
    method = rng.choices(list(_METHODS), weights=list(_METHODS.values()))[0]
    if digital and method == "cod":
        method = "qris"
    outcome = forced or _draw_outcome(rng, method)
    walk = _walk(rng, _path(rng, outcome, digital=digital), created)
    if forced:
        events = [(min(moment, now), status) for moment, status in walk]
    else:
        events = [(moment, status) for moment, status in walk if moment <= now]
    payments = _payments(rng, method, outcome, events, now)
    return Life(method, tuple(events), tuple(payments), _payment_status(rng, method, events, payments, now))


def _draw_outcome(rng: random.Random, method: str) -> str:
    odds = _COD_OUTCOMES if method == "cod" else _OUTCOMES
    return rng.choices(list(odds), weights=list(odds.values()))[0]


def _path(rng: random.Random, outcome: str, *, digital: bool) -> tuple[str, ...]:
    if outcome == "canceled" and chance(rng, 15):
        return _REOPENED  # staff confirmed it, put it back, and the buyer gave up
    if outcome == "closed" and chance(rng, 40):
        return ("draft", "pending", "closed")
    if digital and outcome in {"completed", "rts", "shipped_rts"}:
        return _DIGITAL
    return _PATHS[outcome]


def _walk(rng: random.Random, path: tuple[str, ...], moment: datetime) -> list[tuple[datetime, str]]:
    events: list[tuple[datetime, str]] = []
    for status in path:
        moment += timedelta(minutes=rng.randint(*_GAPS[status]), seconds=rng.randrange(60) if events else 0)
        events.append((moment, status))
    return events


def _payments(
    rng: random.Random, method: str, outcome: str, events: list[tuple[datetime, str]], now: datetime
) -> list[tuple[datetime, str]]:
    entered = {status: moment for moment, status in events}
    payments = [(events[0][0], "unpaid")]
    paid_at = None
    if method == "cod":
        if "completed" in entered and chance(rng, 60):
            paid_at = entered["completed"] + timedelta(hours=rng.randint(20, 72))
    elif "confirmed" in entered and (outcome != "canceled" or chance(rng, 30)):
        # A bank transfer is confirmed by hand, an e-payment confirms itself.
        paid_at = max(events[0][0], entered["confirmed"] - timedelta(seconds=rng.randint(1, 300)))
    if paid_at is not None and paid_at <= now:
        payments.append((paid_at, "paid"))
    return payments


def _payment_status(
    rng: random.Random,
    method: str,
    events: list[tuple[datetime, str]],
    payments: list[tuple[datetime, str]],
    now: datetime,
) -> str | None:
    status = payments[-1][1]
    if status == "unpaid" and method == "bank_transfer" and events[-1][1] != "draft" and chance(rng, 6):
        return "conflict"
    if status == "paid" and now - payments[-1][0] > _SETTLES_AFTER and chance(rng, 2):
        return "settled"
    if events[-1][1] == "draft" and chance(rng, 10):
        return None
    return status

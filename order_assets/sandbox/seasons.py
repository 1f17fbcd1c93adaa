"""When people buy: day weights over the sandbox's calendar, and moments drawn from them.

Knows nothing about what is bought; that is in `scalev_orders` and `ktsp_orders`.
"""

import random
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

# Weight of each local hour of the day: asleep, morning, lunch, the evening on the sofa.
_HOURS = (2, 1, 1, 1, 2, 4, 8, 12, 16, 20, 22, 24, 26, 22, 20, 20, 22, 24, 28, 34, 36, 30, 18, 8)
# Monday to Sunday.
_WEEKDAYS = (9, 9, 9, 10, 12, 15, 14)
_PEAKS = {(9, 9): 3, (10, 10): 4, (11, 11): 6, (12, 12): 6}
_PAYDAY = 25


def stream(*key: object) -> random.Random:
    """A random stream of its own for every key, so that accounts can be made in any order."""
    return random.Random("/".join(map(str, key)))  # noqa: S311 - seeded data, not secrets


def between(rng: random.Random, start: datetime, end: datetime) -> datetime:
    """A moment of whole seconds after `start`, at the latest `end`; there must be a second between them."""
    return start + timedelta(seconds=rng.randint(1, int((end - start).total_seconds())))


class Seasons:
    """The days of a world, the newest last, each with its share of the orders."""

    def __init__(self, until: date, days: int) -> None:
        """Weighs `days` days of which `until` is the last."""
        self._days = [until - timedelta(days=days - 1 - index) for index in range(days)]
        self._weights = [self._weight(index, day) for index, day in enumerate(self._days)]

    def _weight(self, index: int, day: date) -> int:
        growth = 100 + 150 * index // len(self._days)
        payday = 13 if day.day >= _PAYDAY else 10
        return growth * _WEEKDAYS[day.weekday()] * payday * _PEAKS.get((day.month, day.day), 1)

    def moments(self, rng: random.Random, zone: str, count: int) -> list[datetime]:
        """Draws `count` buying moments in UTC, newest first, of one person who joined at some point.

        Args:
            rng: the person's stream.
            zone: IANA zone in which the hours of the day are meant.
            count: how many.
        """
        joined = rng.randrange(max(1, len(self._days) * 7 // 10))
        days = rng.choices(self._days[joined:], cum_weights=list(accumulate(self._weights[joined:])), k=count)
        hours = rng.choices(range(24), weights=_HOURS, k=count)
        tz = ZoneInfo(zone)
        return sorted(
            (
                datetime.combine(day, time(hour, rng.randrange(60), rng.randrange(60)), tz).astimezone(UTC)
                for day, hour in zip(days, hours, strict=True)
            ),
            reverse=True,
        )


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z` and whole seconds, as Scalev writes it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"

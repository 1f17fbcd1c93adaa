"""What a missing order means: deleted at the source, or a history that was cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from order_assets.clients.errors import Reason
from order_assets.clients.pagination import COMPLETE, Status
from order_assets.crawl import verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = {f"o{day:02}": (f"key-{day:02}", START + timedelta(days=day)) for day in range(40)}


def _judge(
    gone: set[str], *, full_page: bool = False, fraction: float | None = 0.2, known: int = 40
) -> tuple[str, str, int]:
    before = dict(list(KNOWN.items())[:known])
    listed = before.keys() - gone
    ended, keys = verdict.of_whole_history(
        COMPLETE,
        before,
        listed,
        oldest_listed=min((before[order_id][1] for order_id in listed), default=None),
        ends_with_full_page=full_page,
        shrink_fraction=fraction,
    )
    assert set(keys) <= {f"key-{order_id[1:]}" for order_id in gone}
    return str(ended.status), str(ended.reason), len(keys)


def _oldest(count: int) -> set[str]:
    return {f"o{day:02}" for day in range(count)}


DELETED, DISTRUSTED = "complete", "incomplete"


@pytest.mark.parametrize(
    ("gone", "options", "status"),
    [
        (set(), {}, DELETED),
        ({"o17"}, {}, DELETED),
        ({"o00"}, {"full_page": True}, DELETED),
        ({"o00"}, {"known": 1}, DELETED),
        ({"o05", "o17", "o30"}, {}, DELETED),
        (_oldest(8), {}, DELETED),
        (_oldest(9), {}, DISTRUSTED),
        (_oldest(2), {"full_page": True}, DISTRUSTED),
        ({"o00", "o17"}, {"full_page": True}, DELETED),
        ({"o00", "o01"}, {"known": 2}, DISTRUSTED),
        (_oldest(40), {}, DISTRUSTED),
        (_oldest(40), {"fraction": None}, DELETED),
        (_oldest(40), {"fraction": 1.0}, DISTRUSTED),
    ],
)
def test_how_many_may_go(gone: set[str], options: dict[str, object], status: str) -> None:
    """Without it, a cut history would delete what is still there, or no deletion would ever be believed."""
    found = _judge(gone, **options)  # type: ignore[arg-type]  # a table of keyword arguments
    if status == DELETED:
        assert found == ("complete", "ok", len(gone))
    else:
        assert found == ("incomplete", "history_shrank", 0)


def test_a_distrusted_history_says_what_to_do() -> None:
    """Without it, an account whose orders were really deleted would stay red and nobody would know why."""
    ended, _ = verdict.of_whole_history(
        COMPLETE, KNOWN, set(), oldest_listed=None, ends_with_full_page=False, shrink_fraction=0.2
    )
    assert (ended.status, ended.reason) == (Status.INCOMPLETE, Reason.HISTORY_SHRANK)
    assert "40 of 40" in ended.words
    assert "--allow-shrink" in ended.words

"""The log of statuses as a page tells it: which entries it has, in which dimension, each once."""

from __future__ import annotations

from typing import Any

from order_assets.domain import ktsp
from order_assets.domain.pages import Frames
from order_assets.domain.recognition import Policy
from order_assets_tests.domain.derived import derive
from order_assets_tests.factories import HMAC_KEY, ktsp_order, ktsp_page, member_page, scalev_order

NO_TIMES = {name: None for name in scalev_order() if name.endswith("_time")}


def events(frames: Frames) -> set[tuple[str, str, str, str, bool]]:
    """Dimension, status, time (UTC), source and whether it is the first, of every event."""
    found = frames.events
    assert found["actor_kind"].isna().all()
    times = found["occurred_at"].dt.floor("s").dt.strftime("%m-%d %H:%M:%S").str.slice(stop=14)
    columns = (found["event_dimension"], found["status"], times, found["event_source"], found["is_first"])
    return set(zip(*columns, strict=True))


def told(**fields: Any) -> set[tuple[str, str, str, str, bool]]:
    """The events of an order without times of its own."""
    return events(derive(scalev_order(**(NO_TIMES | fields))))


def test_time_columns() -> None:
    """Without it, a milestone could be missing from the log, or stand in the wrong dimension."""
    times = {name: f"2025-01-{day:02d}T02:00:00Z" for day, name in enumerate(NO_TIMES, 1)}
    found = told(**times)
    assert {(status, at[:5]) for _, status, at, _, _ in found} == {
        (name.removesuffix("_time"), f"01-{day:02d}") for day, name in enumerate(NO_TIMES, 1)
    }
    assert {status for dimension, status, *_ in found if dimension == "payment"} == {"unpaid", "paid", "transfer"}
    assert {dimension for dimension, *_ in found} == {"order", "payment"}


def test_history_in_any_spelling() -> None:
    """Without it, entries would be lost whose time is called otherwise, or statuses nobody documented."""
    entries = [
        {"at": "2025-01-02T00:00:00Z", "status": "Pending"},
        {"time": "2025-01-03T00:00:00Z", "status": "on_hold"},
        {"timestamp": "2025-01-04T00:00:00Z", "status": "settled"},
        {"at": "2025-01-05T00:00:00", "status": "ready"},
        {"at": "0026-01-05T00:00:00Z", "status": "ready"},
        {"at": "2025-01-05T00:00:00Z"},
    ]
    assert told(status_history=entries) == {
        ("order", "pending", "01-02 00:00:00", "history", True),
        ("order", "on_hold", "01-03 00:00:00", "history", True),
        ("payment", "settled", "01-04 00:00:00", "history", True),
    }


def test_parcels() -> None:
    """Without it, a parcel's way would be lost, or be taken for the order's."""
    entries = [{"status": "Delivered", "timestamp": "2025-01-03T00:00:00Z", "description": "Budi got it"}]
    assert told(shipment_status_history=entries) == {("shipment", "delivered", "01-03 00:00:00", "history", True)}


def test_the_same_second_is_one_event() -> None:
    """Without it, an entry that two fields tell would count as two."""
    found = told(
        paid_time="2025-01-02T00:00:00Z",
        status_history=[
            {"at": "2025-01-02T00:00:00.250Z", "status": "paid"},
            {"at": "2025-01-02T00:00:00.250Z", "status": "paid"},
            {"at": "2025-01-02T00:00:01Z", "status": "paid"},
        ],
    )
    assert found == {
        ("payment", "paid", "01-02 00:00:00", "history", True),
        ("payment", "paid", "01-02 00:00:01", "history", False),
    }


def test_first_entries_are_told_from_later_ones() -> None:
    """Without it, an order that was opened again could not be seen in the log."""
    entries = [{"at": f"2025-01-0{day}T00:00:00Z", "status": "pending"} for day in (4, 2, 3)]
    assert {(at, first) for _, _, at, _, first in told(status_history=entries)} == {
        ("01-02 00:00:00", True), ("01-03 00:00:00", False), ("01-04 00:00:00", False),
    }  # fmt: skip


def test_each_order_has_its_own() -> None:
    """Without it, one order's payment could hide another's."""
    frames = derive(*(scalev_order(order_id=name) for name in "ab"))
    assert len(frames.events) == 2 * len(events(frames))
    assert frames.events["is_first"].all()


def test_orders_of_a_source_without_statuses() -> None:
    """Without it, a KTSP order would have no log, or one at a time nobody named."""
    orders = [ktsp_order(), ktsp_order(orderCode="2", orderTime="2024-08-31T16:30:00Z"), ktsp_order(orderTime="soon")]
    frames = ktsp.derive([member_page(ktsp_page(orders))], Policy(), HMAC_KEY)
    assert events(frames) == {
        ("order", "ordered", "08-31 02:00:00", "order_time", True),
        ("order", "ordered", "08-31 16:30:00", "order_time", True),
    }
    assert frames.lines.empty

"""The first look at a page agrees with the derivation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_assets.domain import keys, ktsp, scalev
from order_assets.domain.glance import Glance, glance
from order_assets.domain.pages import Frames
from order_assets.domain.recognition import Policy
from order_assets_tests.domain.strategies import ORDERS
from order_assets_tests.factories import (
    FETCHED_AT,
    HMAC_KEY,
    ktsp_order,
    ktsp_page,
    member_page,
    page,
    scalev_order,
    scalev_page,
)

LISTED = {"created_at", "draft_time", "pending_time", "orderTime"}


def of_frames(frames: Frames) -> list[Glance]:
    """What the derivation has of each order; a time that stands in for an unreadable one is none."""
    orders = frames.orders
    columns = (orders["order_key"], orders["payload_sha256"], orders["ordered_at"], orders["ordered_at_source"])
    return [
        Glance(key, fingerprint, pd.Timestamp(at).to_pydatetime() if source in LISTED else None)
        for key, fingerprint, at, source in zip(*columns, strict=True)
    ]


def scalev_moments(*orders: dict[str, Any]) -> list[datetime | None]:
    """When these orders are listed."""
    return [order.listed_at for order in glance("scalev", scalev_page(orders), "store_A")]


def ktsp_moments(*orders: dict[str, Any]) -> list[datetime | None]:
    """When these orders are listed."""
    return [order.listed_at for order in glance("ktsp", ktsp_page(orders), "ktsp")]


IDS: st.SearchStrategy[object] = st.sampled_from(
    ["250130JQHFZG", " 250130JQHFZG\u3000", "", "  ", "\u2003", "a\0b", "\0", None, 250130, 2.5, True, {}, ["x"]]
)
ODD = st.sampled_from([{}, {"orderlines": {}}, {"customer": "Siti"}, {"shipment_status_history": ["x"]}])


@settings(max_examples=25)
@given(st.lists(st.tuples(ORDERS, IDS, IDS, ODD), max_size=6), st.sampled_from([b"Ana", rb"\ud83d", b"\xff"]))
def test_scalev_pages(drawn: list[tuple[dict[str, Any], object, object, dict[str, Any]]], letter: bytes) -> None:
    """Without it, an incremental crawl could take a changed order for a known one and stop before it."""
    orders = [order | odd | {"order_id": first, "id": second, "other_income_name": "LETTER"}
              for order, first, second, odd in drawn]  # fmt: skip
    content = scalev_page(orders).replace(b"LETTER", letter)
    assert glance("scalev", content, "store_A") == of_frames(scalev.derive([page(content)], Policy(), HMAC_KEY))


KTSP_TIMES: st.SearchStrategy[object] = st.sampled_from(
    ["2024-08-31T10:00:00+08:00", "2024-08-31T10:00:00Z", "2024-08-31T10:00:00", "1999-12-31T23:59:59Z", None, 5, {}]
)


@settings(max_examples=25)
@given(st.lists(st.tuples(IDS, KTSP_TIMES), max_size=6), st.sampled_from([b"Mall", rb"\ude00", b"\xff"]))
def test_ktsp_pages(drawn: list[tuple[object, object]], letter: bytes) -> None:
    """Without it, an incremental crawl could take a changed order for a known one and stop before it."""
    content = ktsp_page(ktsp_order(orderCode=code, orderTime=time, storeNameEn="LETTER") for code, time in drawn)
    content = content.replace(b"LETTER", letter)
    derived = ktsp.derive([member_page(content)], Policy(), HMAC_KEY)
    assert glance("ktsp", content, "ktsp") == of_frames(derived)


def test_order_of_the_page_is_kept() -> None:
    """Without it, nobody could tell whether a history comes newest first."""
    orders = [scalev_order(order_id=order_id) for order_id in ("b", "c", "a")]
    found = [order.order_key for order in glance("scalev", scalev_page(orders), "store_A")]
    assert found == [keys.order_key("scalev", "store_A", order_id) for order_id in ("b", "c", "a")]


UNUSABLE: list[object] = [
    None, "", "soon", "2025-01-01", "2025-01-01T00:00:00", "0026-01-01T00:00:00Z", 5, {},
]  # fmt: skip


def test_moments_of_scalev() -> None:
    """Without it, an order without `created_at` would have no place in time, or the wrong one."""
    first, second, third = (datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2, 3))
    texts = {"created_at": "2025-01-01T07:00:00+07:00", "draft_time": "2025-01-02T00:00:00Z",
             "pending_time": "2025-01-03T00:00:00Z"}  # fmt: skip
    assert scalev_moments(scalev_order(**texts)) == [first]
    for unusable in UNUSABLE:
        order = scalev_order(**texts | {"created_at": unusable})
        assert scalev_moments(order) == [second]
        assert scalev_moments(order | {"draft_time": unusable}) == [third]
        assert scalev_moments(order | {"draft_time": unusable, "pending_time": unusable}) == [None]


def test_moments_are_not_held_against_the_present() -> None:
    """Without it, an order dated ahead by a wrong clock would look older than all others."""
    ahead = FETCHED_AT + timedelta(days=400)
    assert scalev_moments(scalev_order(created_at=ahead.isoformat())) == [ahead]
    assert ktsp_moments(ktsp_order(orderTime=ahead.isoformat())) == [ahead]


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b'{"data": [1], "items": [1]}', b'{"data": {}, "items": 1}']
)
def test_what_is_no_page_is_refused(content: bytes) -> None:
    """Without it, an error page could pass for an unchanged history."""
    with pytest.raises(msgspec.DecodeError):
        glance("scalev", content, "store_A")
    with pytest.raises(msgspec.DecodeError):
        glance("ktsp", content, "ktsp")

"""Bodies that are almost JSON are read all the same; what is JSON is never changed."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.clients.text import repaired
from order_assets_tests.clients.fakes import ScriptedServer, raw_answer
from order_assets_tests.clients.test_scalev_client import fetch


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\ude00 x"', "\ufffd x"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (b'\xef\xbb\xbf"a"', "a"),
    ],
)
def test_what_is_repaired(body: bytes, value: str) -> None:
    """Without it, one half emoji in a shop's name would cost all orders of its page."""
    assert msgspec.json.decode(repaired(body)) == value


@given(st.text())
def test_sound_json_stays_as_it_is(text: str) -> None:
    """Without it, the repair could change a cursor or an order code."""
    for body in (json.dumps(text).encode(), json.dumps(text, ensure_ascii=False).encode(errors="replace")):
        assert repaired(body) == body


@pytest.mark.parametrize(
    "body", [rb'{"data": [{"order_id": "A", "note": "\ud83d"}]}', b'\xef\xbb\xbf{"data": [{"id": "A"}]}']
)
def test_a_page_that_is_almost_json_is_a_page(body: bytes) -> None:
    """Without it, such a page would be retried and then end the account's crawl."""
    page, facts = fetch(ScriptedServer(raw_answer(body, 200, {})), None)  # type: ignore[misc]  # an error would fail here
    assert facts.keys == ("A",)
    assert page.body == body, "kept as received"

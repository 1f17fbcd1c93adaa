"""Odd and broken Scalev pages: one oddity costs neither the order nor the page."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec
import pytest

from order_assets_tests.domain.derived import derive, derive_pages, rows, tables, text_cells
from order_assets_tests.factories import page, scalev_line, scalev_order, scalev_page

ODD_FIELDS: list[dict[str, Any]] = [
    {"customer": []},
    {"customer": "Siti"},
    {"store": 7},
    {"courier_service": "JNE"},
    {"courier_service": {"courier": "JNE"}},
    {"orderlines": {}},
    {"orderlines": ["one"]},
    {"status_history": "paid"},
    {"status_history": [None]},
    {"destination_address": "Jl. Mawar"},
    {"status": ["paid"]},
    {"status": True},
    {"discount_code_code": {"code": 1}},
    {"created_at": {}},
]


@cache
def odd_pages() -> list[list[dict[str, Any]]]:
    """The facts of a page per odd field, each with a good order before and after the odd one."""
    pages = [
        page(scalev_page([scalev_order(order_id="1"), scalev_order(order_id="odd", **odd), scalev_order(order_id="3")]))
        for odd in ODD_FIELDS
    ]
    found = rows(derive_pages(*pages))
    return [found[start : start + 3] for start in range(0, len(found), 3)]


@pytest.mark.parametrize("number", range(len(ODD_FIELDS)), ids=lambda n: json.dumps(ODD_FIELDS[n]))
def test_one_odd_field_costs_neither_the_order_nor_the_page(number: int) -> None:
    """Without it one change of the vendor's would stop the load of every account."""
    first, second, third = odd_pages()[number]
    assert [first["source_order_id"], second["source_order_id"], third["source_order_id"]] == ["1", "odd", "3"]
    assert second["payment_amount"] == 168724
    assert first["flags"] == third["flags"] == set()


def test_nearly_empty_order_is_kept() -> None:
    """Without it an order the vendor shows without its fields would be lost."""
    empty, good = rows(derive({}, scalev_order()))
    assert empty["excluded_reason"] == "bad_amount"
    assert good["flags"] == set()


def test_an_odd_line_does_not_hide_the_currency_of_the_others() -> None:
    """Without it an order in dollars with one unreadable line would be summed as rupiah, the store's default."""
    lines = [scalev_line(currency="USD"), "not a line"]
    (row,) = derive_pages(page(scalev_page([scalev_order(orderlines=lines)]))).orders.to_dict("records")
    assert (row["currency_code"], row["currency_source"], row["line_count"]) == ("USD", "lines", 2)


@pytest.mark.parametrize("odd", [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", rb"\u0000", rb"\ud83d", rb"\ude00"])
def test_a_broken_letter_does_not_cost_the_page(odd: bytes) -> None:
    """Without it one broken letter would stop the load of every account, for ever."""
    places = ["order_id", "status", "gross_revenue", "discount_rate", "notes"]
    orders = [scalev_order(order_id=place) | {place: "LETTER"} for place in places] + [scalev_order(order_id="good")]
    frames = derive_pages(page(scalev_page(orders).replace(b"LETTER", odd)))
    found = rows(frames)
    assert [fact["source_order_id"] for fact in found[1:]] == [*places[1:], "good"]
    assert found[2]["excluded_reason"] == "bad_amount"
    assert [fact["flags"] for fact in found[3:]] == [set(), set(), set()]
    for cell in text_cells(frames):
        assert "\0" not in cell
        cell.encode()


@pytest.mark.parametrize("whole", [rb"\ud83d\ude00", rb"\\ud83d", "é😀".encode()])
def test_whole_letters_stay(whole: bytes) -> None:
    """Without it the repair of broken letters would break good ones."""
    content = scalev_page([scalev_order(other_income_name="LETTER")]).replace(b"LETTER", whole)
    assert rows(derive_pages(page(content)))[0]["other_income_name"] == json.loads(b'"' + whole + b'"')


@pytest.mark.parametrize("place", ["notes", "other_income_name", "order_id"])
def test_half_a_letter_costs_that_letter_alone(place: str) -> None:
    """Without it, an emoji cut in two, even in a field that is not read, would cost the whole page."""
    content = scalev_page([scalev_order(order_id="1"), scalev_order(**{"order_id": "2", place: "LETTER"})])
    good, broken = derive_pages(page(content)), derive_pages(page(content.replace(b"LETTER", rb"\ud83d")))
    assert rows(broken)[0] == rows(good)[0]
    changed = {name for name, cell in rows(broken)[1].items() if cell != rows(good)[1][name]}
    keys = {"order_key", "source_order_id"} if place == "order_id" else set()
    hashed = {"payload_sha256"} if place != "notes" else set()
    assert changed == ({place} & {"other_income_name"}) | keys | hashed


def test_byte_order_mark() -> None:
    """Without it, a server that writes one would have no readable page."""
    content = scalev_page([scalev_order()])
    assert rows(derive_pages(page(b"\xef\xbb\xbf" + content))) == rows(derive_pages(page(content)))


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"data": {}}', b'{"data": [1]}', b'{"data": ['])
def test_what_is_no_page_is_refused(content: bytes) -> None:
    """Without it an error page could pass for an empty history."""
    with pytest.raises(msgspec.DecodeError):
        derive_pages(page(content))


def test_no_orders() -> None:
    """Without it an account without orders would fail."""
    frames = derive()
    assert all(table.empty for table in tables(frames))
    assert not frames.unknown

"""Counting what the documents do not mention."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from order_assets.domain import ktsp, scalev, unknown
from order_assets.domain.recognition import Policy
from order_assets.sandbox.world import World, WorldSpec
from order_assets_tests.domain.private import PRIVATE
from order_assets_tests.factories import (
    HMAC_KEY,
    ktsp_order,
    ktsp_page,
    member_page,
    page,
    scalev_line,
    scalev_order,
    scalev_page,
)


def of_order(**overrides: Any) -> dict[tuple[str, str], int]:
    """The counts of a page with one Scalev order."""
    return dict(unknown.count("scalev", scalev_page([scalev_order(**overrides)])))


def test_the_documents_own_samples_have_nothing_new() -> None:
    """Without it, every page would be read twice, and real news would drown."""
    assert of_order() == {}
    assert unknown.count("ktsp", ktsp_page([ktsp_order()])) == {}


def test_the_sandbox_s_orders_have_nothing_new() -> None:
    """Without it, a documented field could be missing from the declaration, since the samples do not have them all."""
    world = World(WorldSpec(stores=1, customers_per_store=6, members=4))
    for account in world.accounts:
        orders = world.orders(account)
        found = (
            unknown.count("ktsp", ktsp_page(orders))
            if account.startswith("ktsp/")
            else unknown.count("scalev", scalev_page(orders))
        )
        assert found == {}, account


NEW_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"service_fee": "3500"}, "service_fee"),
    ({"store": {"name": "S", "region": "x"}}, "store.region"),
    ({"store": {"payment_accounts": [{"id": 1, "branch": "x"}]}}, "store.payment_accounts[].branch"),
    ({"store": {"payment_accounts": [{"financial_entity": {"swift": "x"}}]}},
     "store.payment_accounts[].financial_entity.swift"),
    ({"customer": {"id": 101, "loyalty": 1}}, "customer.loyalty"),
    ({"destination_address": {"country": "ID"}}, "destination_address.country"),
    ({"courier_service": {"etd": 1}}, "courier_service.etd"),
    ({"courier_service": {"courier": {"fleet": 1}}}, "courier_service.courier.fleet"),
    ({"orderlines": [scalev_line(tax_hint=1)]}, "orderlines[].tax_hint"),
    ({"status_history": [{"status": "paid", "reason": "x"}]}, "status_history[].reason"),
    ({"shipment_status_history": [{"status": "x", "hub": "y"}]}, "shipment_status_history[].hub"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "path"), NEW_FIELDS, ids=lambda value: value if isinstance(value, str) else "")
def test_new_fields(overrides: dict[str, Any], path: str) -> None:
    """Without it, a field that the vendor adds there would be dropped in silence."""
    assert of_order(**overrides) == {(path, ""): 1}


def test_new_fields_of_the_envelopes() -> None:
    """Without it, a new way of paging would go unnoticed."""
    assert unknown.count("scalev", scalev_page([scalev_order()], total=1)) == {("$.total", ""): 1}
    assert unknown.count("ktsp", ktsp_page([ktsp_order()], totalCount=1)) == {("$.totalCount", ""): 1}


def test_new_fields_of_ktsp() -> None:
    """Without it, a status or a currency of KTSP's, long missed, would be dropped in silence."""
    orders = [ktsp_order(status="Refunded"), ktsp_order(orderCode="2", status="Paid"), ktsp_order(orderCode="3")]
    assert unknown.count("ktsp", ktsp_page(orders)) == {("status", ""): 2}


NEW_VALUES: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"status": "on_hold"}, ("status", "on_hold")),
    ({"status": " On Hold "}, ("status", "On Hold")),
    ({"payment_status": "transfer"}, ("payment_status", "transfer")),
    ({"payment_method": "paylater"}, ("payment_method", "paylater")),
    ({"awb_status": "lost"}, ("awb_status", "lost")),
    ({"discount_code_applied_to": "gross_revenue"}, ("discount_code_applied_to", "gross_revenue")),
    ({"orderlines": [scalev_line(item_type="voucher")]}, ("orderlines[].item_type", "voucher")),
    ({"orderlines": [scalev_line(pricing_type="metered")]}, ("orderlines[].pricing_type", "metered")),
    ({"orderlines": [scalev_line(interval="hour")]}, ("orderlines[].interval", "hour")),
    ({"status": 7}, ("status", "7")),
    ({"status": True}, ("status", "true")),
    ({"status": {"email": "x"}}, ("status", "(object)")),
    ({"status": ["x"]}, ("status", "(list)")),
    ({"status": 'a"\\b'}, ("status", 'a"\\b')),
    ({"status": "a\nb\0\x85c"}, ("status", "a\ufffdb\ufffd\ufffdc")),
    ({"status": "😀" * 100}, ("status", "😀" * 60)),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "key"), NEW_VALUES, ids=[repr(key) for _, key in NEW_VALUES])
def test_new_values(overrides: dict[str, Any], key: tuple[str, str]) -> None:
    """Without it, orders of a new status would count as open for ever and nobody be told."""
    assert of_order(**overrides) == {key: 1}


@pytest.mark.parametrize(
    "overrides",
    [
        {"status": None, "payment_status": None, "payment_method": None, "awb_status": None},
        {"status": "", "discount_code_applied_to": "  "},
        {"status": "Completed", "payment_status": " PAID ", "payment_method": "COD"},
        {"status": "shipped_rts", "payment_status": "settled", "payment_method": "va", "sub_payment_method": "BCA"},
        {"payment_method": "va_sahabat_sampoerna", "shipment_status": "whatever the courier says"},
        {"orderlines": [scalev_line(item_type="license", pricing_type="recurring", interval="year")]},
        {"final_variants": {"A product": 1}, "pg_payment_info": {"va_number": "1"}},
        {"status_history": [{"at": "x", "by": {"email": "y", "role": "z"}, "status": "on_hold"}]},
        {"customer": "Siti", "store": 7, "orderlines": {}, "status_history": [None, "paid"], "courier_service": []},
        {name: value for name, value in PRIVATE.items() if name != "handler"},
    ],
)
def test_nothing_new(overrides: dict[str, Any]) -> None:
    """Without it, what is documented, free, blank, or merely of an odd kind would be reported as new."""
    assert of_order(**overrides) == {}


def test_every_occurrence_counts() -> None:
    """Without it, one odd order would look like a change of the vendor's."""
    orders = [scalev_order(order_id=str(n), orderlines=[scalev_line(tax_hint=1)] * 2, status="x") for n in range(3)]
    found = unknown.count("scalev", scalev_page([*orders, scalev_order()], total=1))
    assert found == {("orderlines[].tax_hint", ""): 6, ("status", "x"): 3, ("$.total", ""): 1}
    assert unknown.count_all("scalev", [scalev_page(orders)] * 2) == {
        ("orderlines[].tax_hint", ""): 12, ("status", "x"): 6,
    }  # fmt: skip


def test_values_of_new_fields_are_never_kept() -> None:
    """Without it, a person's name in a field that nobody knew of would reach a table."""
    person = "canary Siti"
    found = of_order(nickname=person, tags=[person], buyer={person: person}, customer={"id": 1, "alias": person})
    assert found == {("nickname", ""): 1, ("tags", ""): 1, ("buyer", ""): 1, ("customer.alias", ""): 1}


def test_names_are_short_and_printable() -> None:
    """Without it, one absurd name could break a terminal, a log line or an index, or take hours to look through."""
    assert set(of_order(**{"a." * 200_000: 1})) == {("a." * 50, "")}
    found = of_order(**{"x" * 500: 1, "a\nb\x1b[31m": 1, "\ud83d": 1}, store={"y" * 500: 1})
    assert set(found) == {
        ("x" * 100, ""), ("a\ufffdb\ufffd[31m", ""), ("\ufffd", ""), ("store." + "y" * 94, ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + scalev_page([scalev_order(tags=1)]),
        scalev_page([scalev_order(tags=1, notes="NOTE")]).replace(b"NOTE", rb"\ud83d"),
        scalev_page([scalev_order(tags=1, status="NOTE")]).replace(b'"NOTE"', b'"paid\xff"'),
        json.dumps(json.loads(scalev_page([scalev_order(tags=1)])), indent=2).encode(),
    ],
)
def test_broken_pages_count_too(content: bytes) -> None:
    """Without it, what is new on a page with one broken letter would be missed."""
    assert unknown.count("scalev", content)["tags", ""] == 1


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"data": [1]}', b'{"data": ' + b"[" * 100_000])
def test_what_is_no_page_has_nothing_new(content: bytes) -> None:
    """Without it, counting could fail where the derivation would not."""
    assert unknown.count("scalev", content) == Counter()


def test_the_derivation_reports_them() -> None:
    """Without it, the counts would not reach the load."""
    pages = [page(scalev_page([scalev_order(tags=[])], total=1)), page(scalev_page([scalev_order()]), page_number=2)]
    assert scalev.derive(pages, Policy(), HMAC_KEY).unknown == {("tags", ""): 1, ("$.total", ""): 1}
    members = [member_page(ktsp_page([ktsp_order(till=1)]), crawl_id=crawl_id) for crawl_id in (1, 2)]
    assert ktsp.derive(members, Policy(), HMAC_KEY).unknown == {("till", ""): 2}


@pytest.mark.parametrize("text", ["budi.s@example.com", "+62 812-5550-1234", "081255501234"])
def test_names_and_values_that_look_personal_are_hidden(text: str) -> None:
    """Without it, an object keyed by people, or a telephone number for a status, would be readable in the ledger."""
    assert of_order(**{text: 1}) == {("(hidden)", ""): 1}
    assert of_order(status=f"call {text}") == {("status", "call (hidden)"): 1}

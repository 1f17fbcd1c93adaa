"""What of a Scalev order leaves its page, and what makes another version of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from order_assets.domain.recognition import Policy
from order_assets_tests.domain.derived import derive, derive_pages, text_cells
from order_assets_tests.domain.private import PRIVATE
from order_assets_tests.factories import page, scalev_order, scalev_page


@pytest.mark.parametrize("odd", [{}, {"orderlines": {}}], ids=["strict", "lenient"])
@pytest.mark.parametrize("pseudonyms", [False, True])
def test_no_personal_data_leaves_the_page(odd: dict[str, Any], *, pseudonyms: bool) -> None:
    """Without it a name or a link that opens the order could reach a table, an export or an error message."""
    order = scalev_order(**PRIVATE) | odd
    assert b"canary" in scalev_page([order])
    frames = derive(order, policy=Policy(store_email_phone_hmac=pseudonyms))
    assert [cell for cell in text_cells(frames) if "canary" in cell.lower()] == []
    assert "canary" not in repr(page(scalev_page([order])))


def test_personal_data_does_not_change_the_fingerprint() -> None:
    """Without it a corrected phone number would count as a restated order."""
    plain, private = scalev_order(), scalev_order(**PRIVATE)
    history = {
        "status_history": [{**entry, "by": None} for entry in PRIVATE["status_history"]],
        "shipment_status_history": [{"status": "x"}],
    }
    found = derive(plain | history, private).orders["payload_sha256"].tolist()
    assert found[0] != found[1], "the place is coarse geography and part of the order"
    found = derive(plain | history, {**private, "destination_address": None}).orders["payload_sha256"].tolist()
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "change",
    [
        {"gross_revenue": "1"},
        {"status": "closed"},
        {"orderlines": []},
        {"paid_time": None},
        {"shipment_status_history": [{"status": "delivered", "timestamp": "2025-02-02T08:00:00Z"}]},
    ],
)
def test_every_change_that_matters_changes_the_fingerprint(change: dict[str, Any]) -> None:
    """Without it a changed order would keep its old facts."""
    found = derive(scalev_order(), scalev_order(**change)).orders["payload_sha256"].tolist()
    assert found[0] != found[1]


def test_fingerprint_does_not_follow_the_order_of_fields() -> None:
    """Without it every order would be rewritten when the vendor's serialiser changes."""
    order = scalev_order()
    turned = dict(reversed(order.items()))
    found = derive(order, turned).orders["payload_sha256"].tolist()
    assert found[0] == found[1]


def test_fingerprints_stay() -> None:
    """Without it, every order would be a new version of itself, and be written again, after an update of ours."""
    known = {"customer": {"id": 101, "status": "vip", "created_at": "2024-01-01T00:00:00Z", "email": "a@example.com"}}
    found = derive(scalev_order(), scalev_order(**known), scalev_order(payment_link_income="0.00")).orders
    fingerprint = "f1f7066fc2cc78b9512d2a7b8e62152655faeb7b49f3e5c2994019ed16fddec8"
    assert found["payload_sha256"].tolist() == [fingerprint] * 3


def test_fingerprints_do_not_depend_on_the_page() -> None:
    """Without it, an order would change whenever another one on its page is odd."""
    order = scalev_order(**PRIVATE)
    alone = derive(order).orders["payload_sha256"].tolist()
    oddities: list[dict[str, Any]] = [{"orderlines": {}}, {"shipment_status_history": [None]}]
    for odd in oddities:
        assert derive(order, scalev_order(**odd)).orders["payload_sha256"].tolist()[:1] == alone
    spread = page(json.dumps({"data": [order]}, indent=2).encode())
    assert derive_pages(spread).orders["payload_sha256"].tolist() == alone

"""What is known of a customer: the source's own words on the person, and pseudonyms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from order_assets.domain.recognition import Policy
from order_assets.domain.scalev_customers import normal_email, normal_phone
from order_assets_tests.domain.derived import derive
from order_assets_tests.factories import scalev_order

ON = Policy(store_email_phone_hmac=True)


def customers(*known: dict[str, Any] | None, policy: Policy | None = None) -> list[dict[str, Any]]:
    """The customers of a page with an order of each."""
    orders = [scalev_order(order_id=str(number), customer=customer) for number, customer in enumerate(known)]
    records = derive(*orders, policy=policy).customers.to_dict("records")
    return [{str(name): cell for name, cell in record.items()} for record in records]


def test_what_the_source_says_of_a_person() -> None:
    """Without it, the columns would stay empty although the source fills them."""
    (found,) = customers({"id": 1, "status": " Active ", "created_at": "2024-05-01T00:00:00+07:00"}, {"id": 1})
    assert found["source_status"] == "active"
    assert found["customer_created_at"] == datetime(2024, 4, 30, 17, tzinfo=UTC)


@pytest.mark.parametrize("odd", [{"id": 1}, {"id": 1, "status": {}, "created_at": 7, "email": [], "phone": None}, None])
def test_a_person_of_whom_nothing_is_said(odd: dict[str, Any] | None) -> None:
    """Without it, an odd record would cost the order, or get a pseudonym of nothing."""
    (found,) = customers(odd, policy=ON)
    names = ("source_status", "customer_created_at", "email_hmac", "phone_hmac")
    assert [pd.isna(found[name]) for name in names] == [True] * 4


def test_pseudonyms_are_off_by_default() -> None:
    """Without it, addresses would be recognisable in every installation, asked for or not."""
    (found,) = customers({"id": 1, "email": "a@example.com", "phone": "0812345678"})
    assert pd.isna(found["email_hmac"])
    assert pd.isna(found["phone_hmac"])


def test_pseudonyms_of_one_person() -> None:
    """Without it, the same address in another spelling would be another person, or could be guessed from its hash."""
    one, same, other = customers(
        {"id": 1, "email": " A@Example.com", "phone": "+62 812-345-678"},
        {"id": 2, "email": "a@example.com ", "phone": "0812345678"},
        {"id": 3, "email": "0812345678", "phone": "0812345679"},
        policy=ON,
    )
    assert len(one["email_hmac"]) == len(one["phone_hmac"]) == 64
    assert (one["email_hmac"], one["phone_hmac"]) == (same["email_hmac"], same["phone_hmac"])
    assert len({one["email_hmac"], one["phone_hmac"], other["email_hmac"], other["phone_hmac"]}) == 4


@pytest.mark.parametrize(
    ("sent", "digits"),
    [("+62 812-3456-789", "628123456789"), ("08123456789", "628123456789"), ("0062 8123456789", "628123456789"),
     ("628123456789", "628123456789"), ("+852 1234 5678", "85212345678"), ("", None), ("n/a", None), ("123", None),
     ("1234567890123456", None)],
)  # fmt: skip
def test_numbers(sent: str, digits: str | None) -> None:
    """Without it, one number would have as many pseudonyms as spellings."""
    assert normal_phone(sent) == digits


def test_addresses() -> None:
    """Without it, a capital letter would make another person."""
    assert normal_email(" A@Example.COM ") == "a@example.com"
    assert normal_email(" ") is None

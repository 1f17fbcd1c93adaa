"""Keys are stable for ever: other programs join on them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.domain import keys
from order_assets.domain.columns import text


def test_published_order_key() -> None:
    """Without it a change of the key would orphan every fact that is already stored."""
    assert (
        keys.order_key("scalev", "store_A", "250130JQHFZG")
        == "3f240a3eb1e89f06a0a1121e165cd3b60da4e621456cc59c2c7b7e68f30b3a0f"
    )


def test_published_customer_key() -> None:
    """Without it a customer would become two people after an upgrade."""
    assert (
        keys.customer_key("golden-test-key", "scalev", "store_A", "101")
        == "ec175104654ed8f2bd129b3f18eea42003a57359587e18f385d80df2b351bc6e"
    )


@given(st.text(), st.text(), st.text())
def test_customer_key_is_the_documented_hmac(secret: str, account: str, customer_id: str) -> None:
    """Without it the pseudonym could not be computed outside, as design.md section 4 promises."""
    message = f"ktsp|{account}|{customer_id}".encode()
    expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    assert keys.customer_key(secret, "ktsp", account, customer_id) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("k", "scalev", "a", "1"), ("other", "scalev", "a", "1")),
        (("k", "scalev", "a", "1"), ("k", "ktsp", "a", "1")),
        (("k", "scalev", "a", "1"), ("k", "scalev", "b", "1")),
        (("k", "scalev", "a", "1"), ("k", "scalev", "a", "2")),
    ],
    ids=["key", "source", "account", "person"],
)
def test_pseudonyms_differ(one: tuple[str, str, str, str], other: tuple[str, str, str, str]) -> None:
    """Without it two people, or one person under two keys, could share a pseudonym."""
    assert keys.customer_key(*one) != keys.customer_key(*other)


def test_column_of_keys_is_the_key_of_each_row() -> None:
    """Without it keys of a batch could be shifted against their orders."""
    systems, accounts, ids = text(["scalev", "ktsp"]), text(["a", "b"]), text(["1", "2"])
    expected = [keys.order_key("scalev", "a", "1"), keys.order_key("ktsp", "b", "2")]
    assert keys.order_keys(systems, accounts, ids).tolist() == expected


def test_payload_hash_follows_the_content() -> None:
    """Without it a changed order could pass for an unchanged one."""
    assert keys.payload_sha256(b"{}") == hashlib.sha256(b"{}").hexdigest()
    assert keys.payload_sha256(b"{}") != keys.payload_sha256(b"[]")

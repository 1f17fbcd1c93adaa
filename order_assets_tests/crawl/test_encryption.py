"""Secrets and pages under keys: what goes in comes out, and nothing else does."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from order_assets.crawl.encryption import DecryptionError, PageCipher, Vault


def _key(letter: str) -> SecretStr:
    return SecretStr(base64.urlsafe_b64encode(letter.encode() * 32).decode())


@given(st.binary(max_size=2000), st.integers(1, 2**62), st.integers(0, 2**31 - 1))
def test_a_page_comes_back_as_it_went_in(body: bytes, crawl_id: int, page_number: int) -> None:
    """Without it, replay would start from other bytes than the API sent."""
    cipher = PageCipher.of(PageCipher.new_key())
    stored = cipher.encrypt(body, crawl_id, page_number)
    assert cipher.decrypt(stored, crawl_id, page_number) == body
    assert stored != cipher.encrypt(body, crawl_id, page_number), "the same page twice must not look the same"


@pytest.mark.parametrize("place", [(7, 2), (8, 1), (71, 1), (1, 7)])
def test_a_page_is_bound_to_its_place(place: tuple[int, int]) -> None:
    """Without it, whoever can write to the table could give one order history for another."""
    cipher = PageCipher.of(PageCipher.new_key())
    with pytest.raises(DecryptionError, match=f"page {place[1]} of crawl {place[0]} is damaged or under another key"):
        cipher.decrypt(cipher.encrypt(b"body", 7, 1), *place)


def test_places_do_not_run_together() -> None:
    """Without it, page 11 of crawl 1 could pass for page 1 of crawl 11."""
    cipher = PageCipher.of(PageCipher.new_key())
    with pytest.raises(DecryptionError):
        cipher.decrypt(cipher.encrypt(b"body", 1, 11), 11, 1)


def test_another_accounts_key_does_not_open_a_page() -> None:
    """Without it, deleting one person's key would not make that person's pages unreadable."""
    stored = PageCipher.of(PageCipher.new_key()).encrypt(b"body", 1, 1)
    with pytest.raises(DecryptionError):
        PageCipher.of(PageCipher.new_key()).decrypt(stored, 1, 1)


@pytest.mark.parametrize("index", [0, 11, 12, 20, -1])
def test_a_changed_byte_is_noticed(index: int) -> None:
    """Without it, damage on disk would turn into wrong orders."""
    cipher = PageCipher.of(PageCipher.new_key())
    stored = bytearray(cipher.encrypt(b"a body of some length", 1, 1))
    stored[index] ^= 1
    with pytest.raises(DecryptionError):
        cipher.decrypt(bytes(stored), 1, 1)


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_cut_page_is_noticed(length: int) -> None:
    """Without it, a page cut short would end in an error that names nothing."""
    cipher = PageCipher.of(PageCipher.new_key())
    with pytest.raises(DecryptionError):
        cipher.decrypt(cipher.encrypt(b"a body of some length", 1, 1)[:length], 1, 1)


@pytest.mark.parametrize("secret", ["token", "", "ключ 🔑", "x" * 5000])
def test_a_sealed_token_comes_back(secret: str) -> None:
    """Without it, a renewed token could be stored and not be used again."""
    vault = Vault([_key("a")])
    sealed = vault.seal(secret)
    assert vault.open_text(sealed).get_secret_value() == secret
    assert not secret or secret.encode() not in sealed
    assert secret == "" or secret not in repr(vault.open_text(sealed))


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    """Without it, changing the key would lose every stored token and page."""
    old = Vault([_key("o")]).seal(b"data key")
    rotated = Vault([_key("n"), _key("o")])
    assert rotated.open(old) == b"data key"
    assert Vault([_key("n")]).open(rotated.seal(b"data key")) == b"data key"


def test_a_missing_key_is_named_by_its_variable() -> None:
    """Without it, the loss of a key would show as a cryptic failure of a library."""
    sealed = Vault([_key("o")]).seal("canary")
    with pytest.raises(DecryptionError, match="ORDER_ASSETS_ENCRYPTION_KEY") as caught:
        Vault([_key("n")]).open(sealed)
    assert "canary" not in str(caught.value)


def test_a_changed_seal_is_noticed() -> None:
    """Without it, a damaged token would be sent to the API."""
    sealed = bytearray(Vault([_key("a")]).seal("token"))
    sealed[20] ^= 1
    with pytest.raises(DecryptionError):
        Vault([_key("a")]).open(bytes(sealed))

"""Encryption of what must be kept but not readable in the database: pages and tokens.

Tokens and data keys are small and wrapped with Fernet, which also rotates keys. Pages are large and take AES-GCM
under a data key per account, so that deleting that key makes the account's pages unreadable everywhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

_NONCE_BYTES = 12


class DecryptionError(RuntimeError):
    """The stored bytes cannot be decrypted with the configured keys."""


class Vault:
    """Wraps small secrets with the configured keys; the first encrypts, all decrypt."""

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        """Take the keys of `ORDER_ASSETS_ENCRYPTION_KEY`, in their order."""
        each = [Fernet(key.get_secret_value()) for key in keys]
        self._first, self._fernet = each[0], MultiFernet(each)

    def seal(self, secret: str | bytes) -> bytes:
        """Encrypt a token or a data key."""
        return self._fernet.encrypt(secret.encode() if isinstance(secret, str) else secret)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            DecryptionError: none of the configured keys fits.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise DecryptionError(
                "a stored secret was encrypted with a key that is not configured; add the old key to"
                " ORDER_ASSETS_ENCRYPTION_KEY (comma-separated, after the new one)"
            ) from None

    def renewed(self, sealed: bytes) -> bytes | None:
        """Return the same secret under the first key, or None if it is under that already.

        Raises:
            DecryptionError: none of the configured keys fits.
        """
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return self.seal(self.open(sealed))
        return None

    def open_text(self, sealed: bytes) -> SecretStr:
        """Decrypt a token."""
        return SecretStr(self.open(sealed).decode())


@dataclass(frozen=True, slots=True)
class PageCipher:
    """Encrypts the pages of one account. A page is bound to its place, so bodies cannot be swapped unnoticed."""

    _cipher: AESGCM

    @classmethod
    def of(cls, data_key: bytes) -> PageCipher:
        """Return the cipher of an account's data key (32 bytes)."""
        return cls(AESGCM(data_key))

    @staticmethod
    def new_key() -> bytes:
        """Return a fresh data key."""
        return AESGCM.generate_key(bit_length=256)

    def encrypt(self, body: bytes, crawl_id: int, page_number: int) -> bytes:
        """Return nonce and ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, _place(crawl_id, page_number))

    def decrypt(self, stored: bytes, crawl_id: int, page_number: int) -> bytes:
        """Return the body.

        Raises:
            DecryptionError: the key or the place does not fit, or the bytes were changed.
        """
        try:
            return self._cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], _place(crawl_id, page_number))
        except (InvalidTag, ValueError):  # ValueError: cut so short that not even the nonce is whole
            raise DecryptionError(f"page {page_number} of crawl {crawl_id} is damaged or under another key") from None


def _place(crawl_id: int, page_number: int) -> bytes:
    return f"{crawl_id}/{page_number}".encode()

"""Keys and fingerprints: surrogate keys, keyed pseudonyms, payload hashes."""

from __future__ import annotations

import hashlib
import hmac

import pandas as pd
import pyarrow as pa

from order_assets.domain.columns import arrow, one_indexable, series


def order_key(source_system: str, source_account: str, source_order_id: str) -> str:
    """Return the surrogate key of an order: SHA-256 over its natural key, in hex."""
    return hashlib.sha256(f"{source_system}|{source_account}|{source_order_id}".encode()).hexdigest()


def source_order_id(fingerprint: str, *labels: str | None) -> str:
    """Return an order's id within its account: the first of its own labels that is there, as `one_indexable` has it.

    An order without any is known by its content: kept, and the same when it comes again.
    """
    return one_indexable(next(filter(None, labels), f"sha256:{fingerprint}"))


def order_keys(systems: pd.Series, accounts: pd.Series, ids: pd.Series) -> pd.Series:
    """Return `order_key` for each row."""
    columns = (arrow(column).to_pylist() for column in (systems, accounts, ids))
    return series(pa.array(map(order_key, *columns), pa.string()))


def customer_key(hmac_key: str, source_system: str, source_account: str, customer_id: str) -> str:
    """Return a person's pseudonym: HMAC-SHA256 in hex. Keyed, since small ids are guessed under a bare hash."""
    message = f"{source_system}|{source_account}|{customer_id}".encode()
    return hmac.new(hmac_key.encode(), message, hashlib.sha256).hexdigest()


def payload_sha256(canonical: bytes) -> str:
    """Return the fingerprint of an order's canonical JSON (documented fields, no personal data)."""
    return hashlib.sha256(canonical).hexdigest()

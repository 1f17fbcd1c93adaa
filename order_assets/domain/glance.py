"""A first look at one page while it is crawled: which orders it lists, in which version, and from when.

The same keys and fingerprints as the derivation has, by the same functions, without building frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from order_assets.domain import clock, keys, lenient
from order_assets.domain.pages import SourceSystem
from order_assets.domain.readers import READERS


@dataclass(frozen=True, slots=True)
class Glance:
    """One order of a page.

    `order_key` and `payload_sha256` are those of the facts. `listed_at` is when the order was placed (aware UTC):
    Scalev's `created_at`, else `draft_time`, else `pending_time`; KTSP's `orderTime`. It is None where none of them is
    a time with an offset, in 2000 or later.
    """

    order_key: str
    payload_sha256: str
    listed_at: datetime | None


@lenient.refuses_deep_nesting
def glance(source_system: SourceSystem, content: bytes, source_account: str) -> list[Glance]:
    """Return the orders of a page as it lists them.

    Raises:
        msgspec.DecodeError: it is not a page of orders.
    """
    reader = READERS[source_system]
    orders = reader.decode(content)
    fingerprints = list(map(reader.fingerprint, orders))
    ids = list(map(reader.order_id, orders, fingerprints))
    moments = [_first_moment(order, reader.listed_by) for order in orders]
    return [
        Glance(keys.order_key(source_system, source_account, order_id), fingerprint, moment)
        for order_id, fingerprint, moment in zip(ids, fingerprints, moments, strict=True)
    ]


def _first_moment(order: object, fields: Sequence[str]) -> datetime | None:
    return next(filter(None, (clock.moment(getattr(order, field)) for field in fields)), None)

"""Changes of months that were published already: noted in the load that makes them, and read back.

A month is published once it has rows in the summaries. Its first publication is no restatement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa

from order_assets.warehouse.ledger_schema import restatements
from order_assets.warehouse.sql import statement


@dataclass(frozen=True, slots=True)
class Restatement:
    """How one sum of one published month changed, when, by which crawl and because of which orders.

    `period` is the month's first day. `old_value`, `new_value`: amounts in `currency_code`, or numbers of orders.
    `order_keys` are those of the orders with the largest parts, of `order_count` in all. `crawl_id` is None if the
    facts were replayed, or the crawl was of somebody who was forgotten.
    """

    period: date
    source_system: str
    store_key: str
    currency_code: str
    metric: str
    old_value: Decimal
    new_value: Decimal
    order_count: int
    order_keys: tuple[str, ...]
    detected_at: datetime
    crawl_id: int | None

    @property
    def difference(self) -> Decimal:
        """By how much the sum changed."""
        return self.new_value - self.old_value


def remember(connection: sa.Connection, crawl_ids: Sequence[int]) -> None:
    """Before a load writes: keep what the orders it may change add to their months."""
    connection.execute(statement("restatements/remember"), {"crawl_ids": list(crawl_ids)})


def record(connection: sa.Connection, crawl_ids: Sequence[int], *, is_replay: bool = False) -> int:
    """After a load wrote: note which sums of published months it changed; return how many."""
    values = {"crawl_ids": list(crawl_ids), "is_replay": is_replay}
    counted = connection.execution_options(preserve_rowcount=True)
    return counted.execute(statement("restatements/record"), values).rowcount


def listed(connection: sa.Connection, since: datetime | None = None) -> list[Restatement]:
    """Return the restatements, newest first; `since`: those detected since then."""
    names = list(Restatement.__dataclass_fields__)
    query = sa.select(*(restatements.c[name] for name in names)).order_by(
        restatements.c.detected_at.desc(), restatements.c.restatement_id
    )
    if since is not None:
        query = query.where(restatements.c.detected_at >= since)
    return [
        Restatement(**{**row, "order_keys": tuple(row["order_keys"])}) for row in connection.execute(query).mappings()
    ]

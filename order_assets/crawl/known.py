"""What the facts know of accounts: what a crawl may take as known, and what it must still look at.

All statements take their cost from what is asked, never from the length of a history (see the indexes of
`ops.order_lineage`), but for `listed`, which is asked once per crawl of a whole history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from order_assets.crawl.verdict import DOUBTS
from order_assets.settings import Account, SourceSystem
from order_assets.warehouse import schema
from order_assets.warehouse.sql import statement


@dataclass(frozen=True, slots=True)
class Known:
    """What an account's crawl starts from.

    `full_crawl_at`, `pages`: when the last complete look at the whole history ended, and how many pages it took (None:
    there was none that is in the facts). `is_newest_first`: whether that history came newest first. `is_in_doubt`:
    whether a crawl since then found that something is wrong with the history (`verdict.DOUBTS`).
    `complete_crawl_id`: the last crawl, of the whole or of a head, after which every order was known; behind what an
    incomplete one brought later, others may be missing.
    `open_orders`, `oldest_open_at`: how many orders can still change, and when the oldest of them was placed (UTC).
    `has_orders`: whether the facts hold any order of the account. `late_since`: KTSP reports no status, so its orders
    placed since then count as open; None for Scalev.
    """

    full_crawl_at: datetime | None
    pages: int
    is_newest_first: bool
    is_in_doubt: bool
    complete_crawl_id: int
    open_orders: int
    oldest_open_at: datetime | None
    has_orders: bool
    late_since: datetime | None


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """One order of the facts, as the head of a history is compared with it; `crawl_id` brought this version."""

    payload_sha256: str
    crawl_id: int
    ordered_at: datetime
    is_listed: bool
    is_open: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Those orders of a page that are in the facts, by key; and how many listed ones are newer than `oldest`."""

    found: dict[str, KnownOrder]
    oldest: datetime | None
    newer: int


def of_accounts(
    connection: sa.Connection, source_system: SourceSystem, keys: Sequence[str], *, late: timedelta, now: datetime
) -> dict[str, tuple[Known, sa.Row[Any]]]:
    """Return what is known of each account, and the row of its last crawl (all null if there was none).

    `late`: age up to which a KTSP order is looked at again.
    """
    late_since = now - late if source_system == "ktsp" else None
    doubts = sorted(reason.value for reason in DOUBTS)
    values = {"source_system": source_system, "keys": list(keys), "late_since": late_since, "doubts": doubts}
    return {
        row.partition_key: (
            Known(
                full_crawl_at=row.full_crawl_at,
                pages=row.full_pages,
                is_newest_first=row.is_newest_first,
                is_in_doubt=row.is_in_doubt,
                complete_crawl_id=row.complete_crawl_id,
                open_orders=row.open_orders,
                oldest_open_at=row.oldest_open_at,
                has_orders=row.has_orders,
                late_since=late_since,
            ),
            row,
        )
        for row in connection.execute(statement("crawl/known_accounts"), values)
    }


def compare(
    connection: sa.Connection, account: Account, known: Known, order_keys: Sequence[str], oldest: datetime | None
) -> Comparison:
    """Compare a page with the facts; `oldest` is when the oldest known order of the pages before was placed."""
    rows = connection.execute(
        statement("crawl/compare_page"),
        {
            "source_system": account.source_system,
            "partition_key": account.partition_key,
            "order_keys": list(order_keys),
            "late_since": known.late_since,
            "oldest": oldest,
        },
    ).all()
    found = {
        row.order_key: KnownOrder(row.payload_sha256, row.crawl_id, row.ordered_at, row.is_listed, row.is_open)
        for row in rows
        if row.order_key is not None
    }
    return Comparison(found, rows[0].oldest, rows[0].newer)


def versions(connection: sa.Connection, order_keys: Sequence[str]) -> dict[str, str]:
    """Return the version (`payload_sha256`) in which the facts hold orders, by key; those they do not are left out."""
    facts = schema.order_facts.c
    mine = facts.order_key == sa.any_(sa.bindparam(None, list(order_keys), type_=ARRAY(sa.Text)))
    rows = connection.execute(sa.select(facts.order_key, facts.payload_sha256).where(mine))
    return {row.order_key: row.payload_sha256 for row in rows}


def listed(connection: sa.Connection, account: Account, crawl_id: int) -> dict[str, tuple[str, datetime]]:
    """Return every order the account's history was thought to hold before this crawl: its id, key and time.

    Orders without an identifier of their own are left out.
    """
    mine = {"source_system": account.source_system, "partition_key": account.partition_key, "crawl_id": crawl_id}
    rows = connection.execute(statement("crawl/listed_orders"), mine)
    return {row.source_order_id: (row.order_key, row.ordered_at) for row in rows}

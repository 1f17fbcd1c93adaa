"""What the facts know of one account: what a crawl may take as known, and what it must still look at.

All queries take their cost from what is asked, never from the length of the history (see the indexes of
`ops.order_lineage`), but for `listed`, which is asked once per crawl of a whole history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from order_assets.warehouse.ledger_schema import crawls, order_lineage
from order_assets.warehouse.schema import order_facts


@dataclass(frozen=True, slots=True)
class Known:
    """What an account's crawl starts from.

    `full_crawl_at`, `pages`: when the last complete look at the whole history ended, and how many pages it took (None:
    there was none that is in the facts). `is_newest_first`: whether that history came newest first.
    `open_orders`, `oldest_open_at`: how many orders can still change, and when the oldest of them was placed (UTC).
    `late_since`: KTSP reports no status, so its orders placed since then count as open; None for Scalev.
    """

    full_crawl_at: datetime | None
    pages: int
    is_newest_first: bool
    open_orders: int
    oldest_open_at: datetime | None
    late_since: datetime | None


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """One order of the facts, as the head of a history is compared with it."""

    payload_sha256: str
    ordered_at: datetime
    is_listed: bool
    is_open: bool


def of_account(
    connection: sa.Connection, source_system: str, partition_key: str, *, late: timedelta, now: datetime
) -> Known:
    """Return what is known of an account. `late`: age up to which a KTSP order is looked at again."""
    last = connection.execute(
        sa.select(crawls.c.finished_at, crawls.c.pages, crawls.c.is_newest_first)
        .where(
            crawls.c.source_system == source_system,
            crawls.c.partition_key == partition_key,
            crawls.c.mode == "full",
            crawls.c.status == "complete",
            crawls.c.loaded_at.is_not(None) | (crawls.c.pages == 0),
        )
        .order_by(crawls.c.crawl_id.desc())
        .limit(1)
    ).one_or_none()
    late_since = now - late if source_system == "ktsp" else None
    open_orders, oldest = connection.execute(
        sa.select(sa.func.count(), sa.func.min(order_lineage.c.ordered_at)).where(
            _mine(source_system, partition_key), _can_change(late_since)
        )
    ).one()
    return Known(
        full_crawl_at=None if last is None else last.finished_at,
        pages=0 if last is None else last.pages,
        is_newest_first=last is not None and bool(last.is_newest_first),
        open_orders=open_orders,
        oldest_open_at=oldest,
        late_since=late_since,
    )


def orders(
    connection: sa.Connection, order_keys: Sequence[str], late_since: datetime | None
) -> Mapping[str, KnownOrder]:
    """Return those of the orders that are in the facts."""
    wanted = sa.bindparam(None, list(order_keys), type_=ARRAY(sa.Text))
    query = (
        sa.select(
            order_facts.c.order_key,
            order_facts.c.payload_sha256,
            order_facts.c.ordered_at,
            order_lineage.c.is_listed,
            _can_change(late_since).label("is_open"),
        )
        .join(order_lineage, order_lineage.c.order_key == order_facts.c.order_key)
        .where(order_facts.c.order_key == sa.any_(wanted))
    )
    return {
        row.order_key: KnownOrder(row.payload_sha256, row.ordered_at, row.is_listed, row.is_open)
        for row in connection.execute(query)
    }


def count_newer(connection: sa.Connection, source_system: str, partition_key: str, than: datetime | None) -> int:
    """Count the account's listed orders that were placed after `than`; None: all of them."""
    newer = sa.and_(_mine(source_system, partition_key), order_lineage.c.is_listed)
    if than is not None:
        newer = sa.and_(newer, order_lineage.c.ordered_at > than)
    return int(connection.execute(sa.select(sa.func.count()).where(newer)).scalar_one())


def listed(connection: sa.Connection, source_system: str, partition_key: str) -> dict[str, tuple[str, datetime]]:
    """Return every order the account's history is thought to hold: its id at the source, its key, when it was placed.

    Orders without an identifier of their own are left out: they are known by their content, which may have changed.
    """
    query = (
        sa.select(order_facts.c.source_order_id, order_facts.c.order_key, order_facts.c.ordered_at)
        .join(order_lineage, order_lineage.c.order_key == order_facts.c.order_key)
        .where(
            _mine(source_system, partition_key),
            order_lineage.c.is_listed,
            ~order_facts.c.source_order_id.startswith("sha256:"),
        )
    )
    return {row.source_order_id: (row.order_key, row.ordered_at) for row in connection.execute(query)}


def _mine(source_system: str, partition_key: str) -> sa.ColumnElement[bool]:
    return sa.and_(order_lineage.c.source_system == source_system, order_lineage.c.partition_key == partition_key)


def _can_change(late_since: datetime | None) -> sa.ColumnElement[bool]:
    if late_since is None:
        return order_lineage.c.is_open
    return sa.and_(order_lineage.c.is_listed, order_lineage.c.ordered_at >= late_since)

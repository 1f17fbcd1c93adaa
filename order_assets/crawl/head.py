"""Whether the head of a history is enough: a look from the newest order down to where nothing new can be.

There is no date filter, so an unchanged history is told from its first pages. The walk may stop at a page if

- the orders came newest first so far, so that everything deeper is older;
- the page brought only orders that are known and unchanged since a crawl that was complete (what an interrupted one
  brought says nothing of the orders behind it);
- every order that can still change was seen, so that none lies deeper;
- every known order that is newer than the page's end was seen, so that none vanished and none moved.

Where the first or the last does not hold, the walk goes on to the end and is a crawl of the whole history. What
happens deeper to orders that are final is found by the next full crawl.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from order_assets.crawl import known
from order_assets.crawl.known import Known, KnownOrder
from order_assets.domain.glance import Glance
from order_assets.settings import Account


@dataclass(slots=True)
class Head:
    """The look at one account's head; `is_given_up` once the whole history has to be walked.

    `held`: is told in which version the facts hold each order of the pages taken in, None if they do not.
    """

    engine: sa.Engine
    account: Account
    known: Known
    held: dict[str, str | None]
    is_given_up: bool = False
    _seen: dict[str, KnownOrder] = field(default_factory=dict)
    _oldest: datetime | None = None

    def is_enough(self, page: Sequence[Glance], *, is_newest_first: bool) -> bool:
        """Take in a page; return whether the walk may stop behind it. Blocks for one short query."""
        if self.is_given_up or not is_newest_first:
            self.is_given_up = True
            return False
        with self.engine.connect() as connection:
            keys = [glance.order_key for glance in page]
            compared = known.compare(connection, self.account, self.known, keys, self._oldest)
        self._oldest = compared.oldest
        found = compared.found
        self.held.update((key, found[key].payload_sha256 if key in found else None) for key in keys)
        self._seen.update((key, order) for key, order in found.items() if order.is_listed)
        if (
            not all(self._is_settled(glance) for glance in page)
            or sum(order.is_open for order in self._seen.values()) < self.known.open_orders
        ):
            return False
        end = self._oldest
        newer = sum(end is not None and order.ordered_at > end for order in self._seen.values())
        self.is_given_up = compared.newer != newer
        return not self.is_given_up

    def _is_settled(self, glance: Glance) -> bool:
        order = self._seen.get(glance.order_key)
        return (
            order is not None
            and order.payload_sha256 == glance.payload_sha256
            and order.crawl_id <= self.known.complete_crawl_id
        )

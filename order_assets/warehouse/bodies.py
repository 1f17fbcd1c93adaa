"""Bodies of raw pages: each is stored once, in the first page that had it; later ones that are equal name that page.

A refresh asks for the newest page of every account, which is mostly the same as an hour ago. What is in a body, and how
it is encrypted, is the business of `crawl`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from order_assets.warehouse.ledger_schema import order_pages

HOLDER = order_pages.alias("holder")
"""The page that has the body of a page whose own is empty."""
BODY: tuple[sa.ColumnElement[Any], ...] = (
    sa.func.coalesce(HOLDER.c.body, order_pages.c.body).label("held_body"),
    sa.func.coalesce(HOLDER.c.crawl_id, order_pages.c.crawl_id).label("body_crawl_id"),
    sa.func.coalesce(HOLDER.c.page_number, order_pages.c.page_number).label("body_page_number"),
)
"""The body of a page, encrypted, and the page it was encrypted for, where `HOLDER` is joined by `holds`."""


def holds(page: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition on which `HOLDER` is joined (outer) to pages."""
    return sa.and_(HOLDER.c.crawl_id == page.c.same_crawl_id, HOLDER.c.page_number == page.c.same_page_number)


def is_kept(page: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that the body of a page was not deleted by age (`crawl.retention`)."""
    return sa.or_(sa.func.octet_length(page.c.body) > 0, page.c.same_crawl_id.is_not(None))

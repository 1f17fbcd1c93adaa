"""A body that the account's crawl before had as well is stored once."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns that name the page which has the body; pages from before keep theirs until they are purged."""
    op.execute("alter table raw.order_pages add column same_crawl_id bigint, add column same_page_number integer")
    op.execute(
        "create index order_pages_same_idx on raw.order_pages (same_crawl_id, same_page_number)"
        " where same_crawl_id is not null"
    )
    for column, comment in {
        "body": "The body as received, AES-GCM under the account''s data key; empty if it was deleted by age, or"
        " another page has it",
        "same_crawl_id": "Crawl of the page that has the same body, if this one has none",
        "same_page_number": "Number of the page that has the same body",
    }.items():
        op.execute(f"comment on column raw.order_pages.{column} is '{comment}'")


def downgrade() -> None:
    """Drop the columns; copies are lost, and their pages count as deleted by age."""
    op.execute("alter table raw.order_pages drop column same_crawl_id, drop column same_page_number")
    op.execute(
        "comment on column raw.order_pages.body is 'The body as received, AES-GCM under the account''s data key'"
    )

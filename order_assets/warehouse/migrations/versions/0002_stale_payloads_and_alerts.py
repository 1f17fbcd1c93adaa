"""Crawls remember how many older versions of orders they brought (check 39), accounts what people were told of them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of crawls that were loaded before, the number is not known and counts as none."""
    op.execute("alter table ops.crawls add column stale_payloads bigint default '0' not null")
    op.execute(
        "comment on column ops.crawls.stale_payloads is"
        " 'Orders that came older than the facts hold them, and were ignored'"
    )
    op.execute("alter table ops.accounts add column told_reason text")
    op.execute(
        "comment on column ops.accounts.told_reason is"
        " 'Why its crawls fail, as far as people were told; NULL: they believe all is well'"
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table ops.accounts drop column told_reason")
    op.execute("alter table ops.crawls drop column stale_payloads")

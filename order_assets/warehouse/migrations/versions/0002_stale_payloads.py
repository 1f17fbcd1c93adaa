"""Crawls remember how many older versions of orders they brought, for check 39 of model.md."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of crawls that were loaded before, it is not known and counts as none."""
    op.execute("alter table ops.crawls add column stale_payloads bigint default '0' not null")
    op.execute(
        "comment on column ops.crawls.stale_payloads is"
        " 'Orders that came older than the facts hold them, and were ignored'"
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table ops.crawls drop column stale_payloads")

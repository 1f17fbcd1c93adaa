"""Orders whose customer is not known are found without reading all orders."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index; few orders are in it."""
    op.execute(
        "create index order_facts_customer_missing_idx on marts.order_facts (order_key)"
        " where anomaly_codes @> '{customer_missing}'::text[]"
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("drop index marts.order_facts_customer_missing_idx")

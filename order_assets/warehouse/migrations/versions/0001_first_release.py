"""The schemas of the first release; the statements are in the file of the same name."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table, index and comment."""
    # As it is: SQLAlchemy's text() would read ':' in a comment as a parameter.
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Drop everything this release made."""
    for schema in ("marts", "raw", "ops"):
        op.execute(f"drop schema {schema} cascade")

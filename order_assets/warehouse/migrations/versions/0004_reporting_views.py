"""Schema `reporting`: views for analysts; the statements are in the file of the same name."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the views and their comments."""
    # As it is: SQLAlchemy's text() would read ':' in a comment as a parameter.
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Drop them."""
    op.execute("drop schema reporting cascade")

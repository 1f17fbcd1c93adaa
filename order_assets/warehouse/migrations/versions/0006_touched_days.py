"""Summaries by store follow the days that changed, not their whole months."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the days that loads touch; of what was touched before they are not known, so it is summarised whole."""
    op.execute("alter table ops.touched_months add column whole_change_number bigint")
    op.execute("update ops.touched_months set whole_change_number = change_number")
    op.execute("alter table ops.touched_months alter column whole_change_number set not null")
    op.execute(
        "create table ops.touched_days (order_date date not null, store_key text not null,"
        " change_number bigint not null, constraint touched_days_pkey primary key (order_date, store_key))"
    )
    for of, comment in {
        "column ops.touched_months.whole_change_number": "Last change of which the days are not in touched_days",
        "table ops.touched_days": "Days of stores whose facts changed after their month was summarised first",
        "column ops.touched_days.order_date": "Business date of the orders",
        "column ops.touched_days.store_key": "The store",
        "column ops.touched_days.change_number": "Number of the last load that changed an order of the day",
    }.items():
        op.execute(f"comment on {of} is '{comment}'")


def downgrade() -> None:
    """Drop them; months that are stale are then summarised whole."""
    op.execute("drop table ops.touched_days")
    op.execute("alter table ops.touched_months drop column whole_change_number")

"""Alembic's entry point; `engine.migrate` passes the connection, and its transaction holds the whole upgrade."""

from __future__ import annotations

from alembic import context

from order_assets.warehouse import ledger_schema  # noqa: F401 - registers its tables
from order_assets.warehouse.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    version_table_schema="ops",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

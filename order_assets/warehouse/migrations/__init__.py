"""Alembic migrations, applied by `warehouse.engine.migrate`; each is proven to end at `schema`."""

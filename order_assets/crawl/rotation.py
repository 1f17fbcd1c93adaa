"""Rotation of the encryption key: every stored secret, encrypted anew with the first configured key.

Pages are under data keys of their own, and only those are under the configured one; so no page is touched.
"""

from __future__ import annotations

import sqlalchemy as sa

from order_assets.crawl.encryption import Vault
from order_assets.warehouse.ledger_schema import credentials


def rotate(engine: sa.Engine, vault: Vault) -> int:
    """Bring all secrets under the first key, in one transaction; return how many were not.

    Raises:
        DecryptionError: one of them is under a key that is not configured; nothing was changed.
    """
    renewed = 0
    with engine.begin() as connection:
        for column in sealed_columns():
            table, keys = column.table, list(column.table.primary_key)
            query = sa.select(*keys, column.label("sealed")).where(column.is_not(None)).with_for_update()
            changes = [
                {f"this_{key.name}": row[place] for place, key in enumerate(keys)} | {"fresh": fresh}
                for row in connection.execute(query).all()
                for fresh in [vault.renewed(row.sealed)]
                if fresh is not None
            ]
            if changes:
                mine = sa.and_(*(key == sa.bindparam(f"this_{key.name}") for key in keys))
                connection.execute(sa.update(table).where(mine).values({column.name: sa.bindparam("fresh")}), changes)
            renewed += len(changes)
    return renewed


def sealed_columns() -> list[sa.Column[bytes]]:
    """Return what the vault has sealed: every binary column of schema `ops`."""
    return [
        column
        for table in credentials.metadata.sorted_tables
        if table.schema == "ops"
        for column in table.columns
        if isinstance(column.type, sa.LargeBinary)
    ]

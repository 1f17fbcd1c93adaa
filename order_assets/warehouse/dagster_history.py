"""What Dagster keeps of a person, erased: their partitions with all events, and every mention elsewhere.

Dagster has no way to do that, so its tables are written to (schema `dagster`, where its storage is in this database).
Which of their columns hold text is asked of the catalogue, so that a newer version of Dagster is searched whole too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

import sqlalchemy as sa

from order_assets.warehouse.engine import DAGSTER_SCHEMA
from order_assets.warehouse.sql import statement

NEUTRAL = "forgotten"
_HASH = "[0-9a-f]{64}"


def erase(connection: sa.Connection, partition_keys: Sequence[str], hashes: Iterable[str]) -> int | None:
    """Erase partitions, their events, and every mention of them or of keys made by hashing (orders, customers).

    Runs stay, with other accounts' part in them. Returns how many rows were deleted or changed; None: Dagster's storage
    is not in this database.
    """
    tables: dict[str, list[str]] = {}
    for name, column in connection.execute(statement("dagster/text_columns"), {"schema": DAGSTER_SCHEMA}):
        tables.setdefault(name, []).append(column)
    if "event_logs" not in tables:
        return None
    keys = {"keys": list(partition_keys)}
    deleted = [
        connection.execute(statement(f"dagster/{name}"), keys).rowcount
        for name in ("forget_partitions", "forget_events", "forget_status_caches")
    ]
    secret = frozenset(hashes)
    return sum(deleted) + sum(_reword(connection, name, tables[name], partition_keys, secret) for name in tables)


def redacted(text: str, partition_keys: Sequence[str], hashes: frozenset[str] = frozenset()) -> str:
    """Return a text of Dagster's with neutral words in place of the keys, plain or within JSON."""
    for spelling in _spellings(partition_keys):
        # Whole keys only: other accounts' keys may begin or end like these. In a picture, a %20 may stand before.
        text = re.sub(rf"(?:(?<![\w/.-])|(?<=%[0-9A-F]{{2}})){re.escape(spelling)}(?![\w/-]|\.\w)", NEUTRAL, text)
    return re.sub(_HASH, lambda found: NEUTRAL if found[0] in hashes else found[0], text)


def _reword(
    connection: sa.Connection, name: str, columns: Sequence[str], partition_keys: Sequence[str], hashes: frozenset[str]
) -> int:
    table = sa.table(name, sa.column("id"), *(sa.column(each, sa.Text()) for each in columns), schema=DAGSTER_SCHEMA)
    words = sa.func.concat_ws(" ", *(table.c[each] for each in columns))
    named = sa.or_(*(sa.func.strpos(words, spelling) > 0 for spelling in _spellings(partition_keys)))
    where = sa.or_(named, words.regexp_match(_HASH)) if hashes else named
    changes = []
    found = connection.execute(sa.select(table).where(where).execution_options(yield_per=100))  # pictures are in them
    for row in found.mappings():
        after = {each: redacted(row[each], partition_keys, hashes) for each in columns if row[each] is not None}
        if any(after[each] != row[each] for each in after):
            changes.append({"this": row["id"], **{each: after.get(each) for each in columns}})
    if changes:
        connection.execute(sa.update(table).where(table.c.id == sa.bindparam("this")), changes)
    return len(changes)


def _spellings(partition_keys: Sequence[str]) -> list[str]:
    """Return the keys as written, and as links, JSON, and JSON within JSON write them."""
    found = []
    for key in partition_keys:
        once = json.dumps(key)[1:-1]
        found += [key, quote(key), once, json.dumps(once)[1:-1]]
    return list(dict.fromkeys(found))

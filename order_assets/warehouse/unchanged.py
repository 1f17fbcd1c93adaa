"""Whether what a check reads is as it was when it ran last, by the server's own counts of rows written.

The server counts each row that is inserted, updated or deleted, whoever does it. A session adds its counts some seconds
after its transaction ends; ours do so at once (`count_at_once`), and what somebody else changed within the last seconds
before a check is noticed by the next one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

import sqlalchemy as sa

from order_assets.warehouse.checks import Check
from order_assets.warehouse.sql import statement

_RELATION = re.compile(r"\b(marts|ops|raw|information_schema)\.(\w+)")
_CLOCK = re.compile(r"\b(now\(\)|current_\w+|\w*_timestamp\(\)|localtime\w*)")


def count_at_once(connection: sa.Connection) -> None:
    """Have the server count what this transaction writes as soon as it is committed."""
    connection.execute(sa.select(sa.func.pg_stat_force_next_flush()))


def states(connection: sa.Connection) -> dict[str, str]:
    """Return for each table and view of `marts` a text that changes when it is written or altered.

    Empty, if the server does not count. To be read before the tables are: what is written between the two makes the
    next check run, never leaves it out.
    """
    return {row.table_name: row.state for row in connection.execute(statement("unchanged/states"))}


def fingerprint(check: Check, limits: Mapping[str, float], now: Mapping[str, str]) -> str | None:
    """Return a hash of all that decides what a check finds; `now` are the `states`.

    None: it cannot be told, so the check has to run. That is so for all that read the ledger, which each run writes, or
    a clock.
    """
    sql = f"{check.sql()} {check.examined or f'marts.{check.table}'}"
    relations = set(_RELATION.findall(sql))
    schemas = {schema for schema, _ in relations}
    if not now or schemas & {"ops", "raw"} or _CLOCK.search(sql):
        return None
    names = sorted(now) if "information_schema" in schemas else sorted(name for _, name in relations)
    told = [sql, *(limits[name] for name in check.binds), *(now.get(name) for name in names)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()

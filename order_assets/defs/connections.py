"""Connections of a run to Dagster's own storage. Those to the warehouse are the `warehouse` resource's."""

from typing import Any
from weakref import WeakSet

import dagster as dg
import psycopg2.extensions
import sqlalchemy as sa

from order_assets.warehouse.engine import replace_the_dead

_NO_TIMEOUT = 0  # milliseconds; the webserver's limit is for pages that people wait for
_RECYCLE_SECONDS = 600
_MORE = 10  # beside the one that is kept

_kept: WeakSet[dg.DagsterInstance] = WeakSet()


def _is_alive(connection: Any) -> bool:
    if isinstance(connection, psycopg2.extensions.connection):  # Dagster's; our own engine looks by itself
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error:
            return False
    return True


replace_the_dead(sa.pool.QueuePool, _is_alive)


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Let this process keep its connections to Dagster's storage, as the webserver does with its own.

    dagster-postgres opens a new one for each call, and a run makes about a thousand calls; to open one costs ten
    milliseconds of the server.
    """
    if instance not in _kept:
        _kept.add(instance)
        instance.optimize_for_webserver(_NO_TIMEOUT, _RECYCLE_SECONDS, _MORE)

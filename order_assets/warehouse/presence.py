"""Runs that are at work, on whichever machine: each holds advisory locks, which the server frees when it is gone.

One is the run's own, by which others see that it is not gone; the other is shared by all, and keeps migrations away.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from order_assets.warehouse.engine import AT_WORK_LOCK, migrate

_LOCK = "hashtextextended('order_assets run ' || r.run_id, 0)"
_RUNS = "from unnest(cast(:run_ids as text [])) as r (run_id)"
_HOLD = sa.text(
    "select set_config('application_name', 'order-assets run ' || r.run_id, false), pg_advisory_lock_shared(:at_work),"
    f" pg_advisory_lock_shared({_LOCK}) {_RUNS}"
)
_GONE = sa.text(f"select r.run_id {_RUNS} where pg_try_advisory_xact_lock({_LOCK})")


class Presence:
    """Says "this run is at work" until it is closed or its process ends."""

    def __init__(self, engine: sa.Engine, run_id: str) -> None:
        """Begin, after a migration that is under way.

        Raises:
            WarehouseError: it was one to a newer release.
        """
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.execute(_HOLD, {"run_ids": [run_id], "at_work": AT_WORK_LOCK})
        try:
            migrate(engine)  # from here on nobody else does
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the session; a pooled connection would keep its lock."""
        self._connection.invalidate()
        self._connection.close()


def gone(engine: sa.Engine, run_ids: Collection[str]) -> set[str]:
    """Return the runs of these that nobody is present for."""
    if not run_ids:
        return set()
    with engine.begin() as connection:
        return set(connection.execute(_GONE, {"run_ids": list(run_ids)}).scalars())

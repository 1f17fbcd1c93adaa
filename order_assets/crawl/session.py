"""A crawling process as the others see it: one database session that holds advisory locks.

The server gives the locks back when the session ends, however the process ended. So a lock tells the living from the
dead: an account whose lock is free is crawled by nobody, whatever the ledger says, and a lease whose session holds no
lock is void.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from order_assets.warehouse.ledger_schema import api_leases, crawl_sessions

PRESENCE = 7_205_103  # any number; the class of the locks that say "this session lives"; see sql/pace/lease

_PREFIX = "order_assets crawl"

_HOLD = sa.text(
    "select a.partition_key, pg_try_advisory_lock(hashtextextended(:prefix || a.partition_key, 0)) as is_ours"
    " from unnest(cast(:keys as text [])) as a (partition_key)"
)
_LET_GO = sa.text(
    "select pg_advisory_unlock(hashtextextended(:prefix || a.partition_key, 0))"
    " from unnest(cast(:keys as text [])) as a (partition_key)"
)


class Session:
    """One process's locks. Methods block, may be called from any thread, and take turns on the one connection."""

    def __init__(self, engine: sa.Engine) -> None:
        """Take a number that no other session has."""
        self._turn = threading.Lock()
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.session_id = int(self._connection.execute(sa.select(crawl_sessions.next_value())).scalar_one())
        self._connection.execute(sa.select(sa.func.pg_advisory_lock(PRESENCE, self.session_id)))

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back by ending the session at the server; a pooled connection would keep its locks."""
        with self._turn:
            try:
                self._connection.execute(sa.delete(api_leases).where(api_leases.c.session_id == self.session_id))
            except sa.exc.DBAPIError:
                pass  # the server went away, and the locks with it
            finally:
                self._connection.invalidate()
                self._connection.close()

    def hold(self, source_system: str, keys: Sequence[str]) -> set[str]:
        """Take accounts for this session; return those that no other session has."""
        with self._turn:
            rows = self._connection.execute(_HOLD, {"keys": list(keys), "prefix": f"{_PREFIX} {source_system} "})
            ours = {row.partition_key for row in rows if row.is_ours}
            self._held[source_system] |= ours
            return ours

    def let_go(self, source_system: str, keys: Iterable[str]) -> None:
        """Give accounts back; those that this session does not hold are passed over."""
        with self._turn:
            mine = self._held[source_system].intersection(keys)
            if mine:
                self._held[source_system] -= mine
                self._connection.execute(_LET_GO, {"keys": list(mine), "prefix": f"{_PREFIX} {source_system} "}).all()

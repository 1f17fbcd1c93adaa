"""A crawling process as the others see it: one database session that holds advisory locks.

The server gives the locks back when the session ends, however the process ended. So a lock tells the living from the
dead: an account whose lock is free is crawled by nobody, whatever the ledger says, and a lease whose session holds no
lock is void.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from order_assets.warehouse.ledger_schema import api_leases, crawl_sessions

PRESENCE = 7_205_103  # any number; the class of the locks that say "this session lives"; see sql/pace/lease


class Session:
    """One process's locks. Methods block, may be called from any thread, and take turns on the one connection."""

    def __init__(self, engine: sa.Engine) -> None:
        """Take a number that no other session has."""
        self._turn = threading.Lock()
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

    def hold(self, source_system: str, partition_key: str) -> bool:
        """Take an account for this session; return False if another session has it."""
        key = sa.func.hashtextextended(f"order_assets crawl {source_system} {partition_key}", 0)
        with self._turn:
            return bool(self._connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one())

    def let_go(self, source_system: str, partition_key: str) -> None:
        """Give an account back."""
        key = sa.func.hashtextextended(f"order_assets crawl {source_system} {partition_key}", 0)
        with self._turn:
            self._connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))

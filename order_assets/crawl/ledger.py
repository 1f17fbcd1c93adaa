"""The ledger: what was fetched and how each crawl ended, in `ops.crawls` and `raw.order_pages`."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from order_assets.clients.http import RawPage
from order_assets.clients.pagination import Verdict
from order_assets.crawl import accounts
from order_assets.crawl.encryption import PageCipher, Vault
from order_assets.crawl.verdict import account_state
from order_assets.settings import Account
from order_assets.warehouse.ledger_schema import crawls, order_pages, page_keys


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page to keep, without its unpacked content. `items` None: it could not be read, but its bytes are kept."""

    number: int
    cursor: str | None = field(repr=False)
    raw: RawPage = field(repr=False)
    sha256: str
    items: int | None

    @classmethod
    def of(cls, number: int, cursor: str | None, raw: RawPage, *, items: int | None) -> KeptPage:
        """Take the fingerprint of the content and let the content go: unpacked, it is ten times the body."""
        sha256 = hashlib.sha256(raw.content).hexdigest()
        return cls(number, cursor, dataclasses.replace(raw, content=b""), sha256, items)


@dataclass(frozen=True, slots=True)
class CrawlResult:
    """How the crawl of one account ended, as told to people and to Dagster."""

    crawl_id: int
    account: Account
    verdict: Verdict
    requests: int
    pages: int
    orders_seen: int
    duplicates: int
    bytes: int
    seconds: float


class Ledger:
    """Writes of one crawl run; every method is one transaction."""

    def __init__(self, engine: sa.Engine, vault: Vault, run_id: str) -> None:
        """Write on behalf of a Dagster run."""
        self._engine = engine
        self._vault = vault
        self._run_id = run_id

    def start(self, account: Account) -> int:
        """Open a crawl and return its number; a crawl of the account that never ended is closed as interrupted."""
        with self._engine.begin() as connection:
            self._interrupt(
                connection,
                crawls.c.source_system == account.source_system,
                crawls.c.partition_key == account.partition_key,
            )
            opened = insert(crawls).values(
                source_system=account.source_system,
                partition_key=account.partition_key,
                mode="full",
                started_at=datetime.now(UTC),
                status="running",
                run_id=self._run_id,
            )
            return int(connection.execute(opened.returning(crawls.c.crawl_id)).scalar_one())

    def close_interrupted(self) -> None:
        """Close the crawls of this run that were under way when it was stopped."""
        with self._engine.begin() as connection:
            self._interrupt(connection, crawls.c.run_id == self._run_id)

    @staticmethod
    def _interrupt(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> None:
        connection.execute(
            sa.update(crawls)
            .where(crawls.c.status == "running", *which)
            .values(
                status="incomplete",
                reason="timeout",
                reason_words="interrupted: the run ended before the crawl did",
                finished_at=sa.func.now(),
            )
        )

    def keep(self, account: Account, crawl_id: int, pages: Sequence[KeptPage]) -> None:
        """Keep pages of a crawl that goes on."""
        with self._engine.begin() as connection:
            self._keep(connection, account, crawl_id, pages)

    def finish(self, result: CrawlResult, pages: Sequence[KeptPage]) -> None:
        """Keep the last pages and the verdict, in one transaction."""
        with self._engine.begin() as connection:
            self._keep(connection, result.account, result.crawl_id, pages)
            connection.execute(
                sa.update(crawls)
                .where(crawls.c.crawl_id == result.crawl_id)
                .values(
                    finished_at=datetime.now(UTC),
                    status=result.verdict.status.value,
                    reason=result.verdict.reason.value,
                    reason_words=result.verdict.words,
                    requests=result.requests,
                    pages=result.pages,
                    orders_seen=result.orders_seen,
                    duplicates=result.duplicates,
                    bytes=result.bytes,
                )
            )
            key = result.account.partition_key
            accounts.set_state(connection, result.account.source_system, [key], account_state(result.verdict))

    def _keep(self, connection: sa.Connection, account: Account, crawl_id: int, pages: Sequence[KeptPage]) -> None:
        if not pages:
            return
        cipher = self._cipher(connection, account)
        connection.execute(
            insert(order_pages),
            [
                {
                    "crawl_id": crawl_id,
                    "page_number": page.number,
                    "cursor_hash": None if page.cursor is None else hashlib.sha256(page.cursor.encode()).hexdigest(),
                    "fetched_at": page.raw.fetched_at,
                    "http_status": page.raw.http_status,
                    "content_encoding": page.raw.content_encoding,
                    "body": cipher.encrypt(page.raw.body, crawl_id, page.number),
                    "body_sha256": page.sha256,
                    "items": page.items,
                }
                for page in pages
            ],
        )

    def _cipher(self, connection: sa.Connection, account: Account) -> PageCipher:
        mine = sa.and_(
            page_keys.c.source_system == account.source_system, page_keys.c.partition_key == account.partition_key
        )
        stored = sa.select(page_keys.c.wrapped_key).where(mine)
        wrapped = connection.execute(stored).scalar_one_or_none()
        if wrapped is None:
            fresh = insert(page_keys).values(
                source_system=account.source_system,
                partition_key=account.partition_key,
                wrapped_key=self._vault.seal(PageCipher.new_key()),
            )
            connection.execute(fresh.on_conflict_do_nothing())
            wrapped = connection.execute(stored).scalar_one()  # ours, or that of whoever was first
        return PageCipher.of(self._vault.open(wrapped))

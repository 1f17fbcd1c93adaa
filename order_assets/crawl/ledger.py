"""The ledger: what was fetched and how each crawl ended, in `ops.crawls` and `raw.order_pages`.

One writer per process commits what the accounts under crawl hand to it, many pages in a transaction when they come
fast. An account's pages are committed in the order they were fetched, and its verdict not before its last page; so
after a kill the pages that are kept say where to go on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from order_assets.clients.http import RawPage, decode
from order_assets.clients.pagination import Verdict
from order_assets.crawl import accounts, known
from order_assets.crawl.encryption import PageCipher, Vault
from order_assets.crawl.known import Known
from order_assets.crawl.verdict import RESUMABLE, account_state
from order_assets.settings import Account
from order_assets.warehouse.bodies import BODY, HOLDER, holds
from order_assets.warehouse.ledger_schema import crawls, order_pages, page_keys, vanished_orders
from order_assets.warehouse.sql import statement

_RESUME_WITHIN = timedelta(hours=6)  # cursors last as long as nobody knows; a longer gap is not worth the try
_BATCH_PAGES = 200
_HELD_BYTES = 8 * 1024 * 1024  # fetched and not yet written; beyond it, fetching waits


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page to keep, without its unpacked content. `items` None: it could not be read, but its bytes are kept."""

    number: int
    pass_number: int
    page_no: int | None
    cursor: str | None = field(repr=False)
    raw: RawPage = field(repr=False)
    sha256: str
    items: int | None

    @classmethod
    def of(
        cls, number: int, pass_number: int, page_no: int | None, cursor: str | None, raw: RawPage, *, items: int | None
    ) -> KeptPage:
        """Take the fingerprint of the content and let the content go: unpacked, it is ten times the body."""
        sha256 = hashlib.sha256(raw.content).hexdigest()
        return cls(number, pass_number, page_no, cursor, dataclasses.replace(raw, content=b""), sha256, items)


@dataclass(frozen=True, slots=True)
class CrawlResult:
    """How the crawl of one account ended, as told to people and to Dagster.

    `orders_new`, `orders_changed`: orders that the facts did not hold, or in another version. `vanished`: keys of
    orders that were known before and that the complete history no longer holds.
    """

    crawl_id: int
    account: Account
    verdict: Verdict
    requests: int
    pages: int
    orders_seen: int
    duplicates: int
    bytes: int
    seconds: float
    mode: str = "full"
    requests_saved: int = 0
    is_newest_first: bool | None = None
    oldest_open_at: datetime | None = None
    orders_new: int = 0
    orders_changed: int = 0
    vanished: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Begun:
    """A crawl that may go on: a new one, or one that was interrupted and left pages behind.

    `kept_pages`: number of the last page that is kept, 0 if there is none. `parked_until`: the API asked not to be
    asked again before. `is_busy`: another session has the account.
    """

    crawl_id: int
    known: Known
    kept_pages: int = 0
    requests: int = 0
    pages: int = 0
    bytes: int = 0
    orders_seen: int = 0
    parked_until: datetime | None = None
    is_busy: bool = False


class Ledger:
    """What one crawl run writes; use as an async context manager while accounts are crawled."""

    def __init__(self, engine: sa.Engine, vault: Vault, run_id: str) -> None:
        """Write on behalf of a Dagster run."""
        self._engine = engine
        self._vault = vault
        self._run_id = run_id
        self._ciphers: dict[tuple[str, str], PageCipher] = {}
        self._begun: set[int] = set()
        self.on_ended: Callable[[Sequence[Account]], None] = lambda _accounts: None
        """Told, in the writer's thread, of accounts whose verdict was committed just now."""
        self._queue: asyncio.Queue[tuple[Account, int, KeptPage | CrawlResult, asyncio.Future[None]]] = asyncio.Queue()
        self._held = 0
        self._room = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the writer."""
        self._room.set()
        self._writer = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and stop the writer."""
        assert self._writer is not None  # noqa: S101 - entered
        if not self._writer.done():
            await asyncio.shield(self._drained())
            self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)

    async def _drained(self) -> None:
        joined = asyncio.create_task(self._queue.join())
        assert self._writer is not None  # noqa: S101 - entered
        await asyncio.wait({joined, self._writer}, return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()

    def begin(self, held: Sequence[Account], *, late: timedelta, now: datetime) -> dict[str, Begun]:
        """Open crawls of accounts of one source that this session holds, or reopen interrupted ones. Blocks.

        A crawl that is called running can only be one whose process is gone, since its account was free. Returns them
        by partition key, without accounts that were retired since they were chosen.
        """
        if not held:
            return {}
        system = held[0].source_system
        begun: dict[str, Begun] = {}
        with self._engine.begin() as connection:
            keys = accounts.not_retired(connection, system, [account.partition_key for account in held])
            what = known.of_accounts(connection, system, keys, late=late, now=now)
            parked = {key: last for key, (_, last) in what.items() if _is_parked(last, now)}
            if parked:
                mine = crawls.c.crawl_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger)))
                connection.execute(
                    sa.update(crawls).where(mine).values(run_id=self._run_id),
                    {"ids": [last.crawl_id for last in parked.values()]},
                )
            for key, last in parked.items():
                counts = (last.requests, last.pages, last.bytes, last.orders_seen)
                begun[key] = Begun(last.crawl_id, what[key][0], 0, *counts, parked_until=last.resume_at)
            stopped = {
                last.crawl_id: key for key, (_, last) in what.items() if key not in parked and _can_go_on(last, now)
            }
            if stopped:
                ids = {"crawl_ids": list(stopped), "run_id": self._run_id}
                for row in connection.execute(statement("crawl/reopen"), ids):
                    key = stopped[row.crawl_id]
                    counts = (row.last_page, row.requests, row.pages, int(row.bytes))
                    begun[key] = Begun(row.crawl_id, what[key][0], *counts)
            fresh = [key for key in keys if key not in begun]
            if fresh:
                mine_alone = {"source_system": system, "keys": fresh, "run_id": None, "crawl_ids": []}
                connection.execute(statement("crawl/interrupt"), mine_alone)
                begun |= {
                    key: Begun(crawl_id, what[key][0]) for key, crawl_id in self._open(connection, system, fresh, now)
                }
        self._begun.update(each.crawl_id for each in begun.values())
        return begun

    def note_busy(self, account: Account, *, late: timedelta, now: datetime) -> Begun:
        """Note a crawl of an account that another session is crawling, only to say so. Blocks.

        It is never called running, so that it cannot be taken for one that was interrupted.
        """
        system, key = account.source_system, account.partition_key
        with self._engine.begin() as connection:
            what = known.of_accounts(connection, system, [key], late=late, now=now)
            ((_, crawl_id),) = self._open(connection, system, [key], now)
            noted = sa.update(crawls).where(crawls.c.crawl_id == crawl_id).values(status="parked", reason="timeout")
            connection.execute(noted)
        return Begun(crawl_id, what[key][0], is_busy=True)

    def _open(
        self, connection: sa.Connection, source_system: str, keys: Sequence[str], now: datetime
    ) -> list[tuple[str, int]]:
        values = {"source_system": source_system, "keys": list(keys), "now": now, "run_id": self._run_id}
        return [(row.partition_key, row.crawl_id) for row in connection.execute(statement("crawl/open"), values)]

    def kept_pages(self, account: Account, crawl_id: int) -> Iterator[RawPage]:
        """Yield the readable pages of a crawl's first pass, in the order they were fetched. Blocks."""
        query = (
            sa.select(order_pages, *BODY)
            .outerjoin(HOLDER, holds(order_pages))
            .where(
                order_pages.c.crawl_id == crawl_id, order_pages.c.pass_number == 1, order_pages.c["items"].is_not(None)
            )
            .order_by(order_pages.c.page_number)
        )
        with self._engine.connect() as connection:
            cipher = self._cipher_of(connection, [account])[account.source_system, account.partition_key]
            with connection.execute(query.execution_options(yield_per=50)) as rows:
                for row in rows:
                    body = cipher.decrypt(row.held_body, row.body_crawl_id, row.body_page_number)
                    content = decode(body, row.content_encoding)
                    yield RawPage(row.http_status, httpx.Headers(), row.content_encoding, body, content, row.fetched_at)

    def close_interrupted(self) -> None:
        """Close the crawls that were under way here when the run was stopped. Blocks.

        Others of the run, in another process, may go on; and an account may be with another run by now.
        """
        mine: dict[str, object] = {
            "source_system": None, "keys": [], "run_id": self._run_id, "crawl_ids": list(self._begun),
        }  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(statement("crawl/interrupt"), mine)

    async def keep(self, account: Account, crawl_id: int, page: KeptPage) -> None:
        """Hand a page to the writer; waits only while too much is waiting to be written."""
        await self._room.wait()
        self._held += len(page.raw.body)
        if self._held >= _HELD_BYTES:
            self._room.clear()
        self._put(account, crawl_id, page)

    async def finish(self, result: CrawlResult) -> None:
        """Write the verdict; returns when it is committed."""
        await self._put(result.account, result.crawl_id, result)

    def _put(self, account: Account, crawl_id: int, item: KeptPage | CrawlResult) -> asyncio.Future[None]:
        assert self._writer is not None  # noqa: S101 - entered
        if self._writer.done():
            self._writer.result()  # raises what stopped it
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((account, crawl_id, item, done))
        return done

    async def _write_on(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH_PAGES and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            pages = [(account, crawl_id, item) for account, crawl_id, item, _ in batch if isinstance(item, KeptPage)]
            results = [item for _, _, item, _ in batch if isinstance(item, CrawlResult)]
            try:
                await asyncio.shield(asyncio.to_thread(self._write, pages, results))
            except Exception as error:
                while not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                for done in [done for *_, done in batch if not done.done()]:  # those who waited may be canceled
                    done.set_exception(error)
                    done.exception()  # whoever waits gets it; where nobody does, it is not to be complained about
                self._room.set()
                raise
            for *_, item, done in batch:
                if not done.done():
                    done.set_result(None)
                if isinstance(item, KeptPage):
                    self._held -= len(item.raw.body)
                self._queue.task_done()
            if self._held < _HELD_BYTES:
                self._room.set()

    def _write(self, pages: Sequence[tuple[Account, int, KeptPage]], results: Sequence[CrawlResult]) -> None:
        with self._engine.begin() as connection:
            if pages:
                ciphers = self._cipher_of(connection, [account for account, _, _ in pages])
                connection.execute(
                    insert(order_pages),
                    [
                        {
                            "crawl_id": crawl_id,
                            "page_number": page.number,
                            "pass_number": page.pass_number,
                            "page_no": page.page_no,
                            "cursor_hash": None
                            if page.cursor is None
                            else hashlib.sha256(page.cursor.encode()).hexdigest(),
                            "fetched_at": page.raw.fetched_at,
                            "http_status": page.raw.http_status,
                            "content_encoding": page.raw.content_encoding,
                            "body": ciphers[account.source_system, account.partition_key].encrypt(
                                page.raw.body, crawl_id, page.number
                            ),
                            "body_sha256": page.sha256,
                            "items": page.items,
                        }
                        for account, crawl_id, page in pages
                    ],
                )
            if results:
                self._end(connection, results)
        if results:
            self.on_ended([result.account for result in results])

    @staticmethod
    def _end(connection: sa.Connection, results: Sequence[CrawlResult]) -> None:
        now = datetime.now(UTC)
        connection.execute(
            sa.update(crawls).where(crawls.c.crawl_id == sa.bindparam("this_crawl")),
            [
                {
                    "this_crawl": result.crawl_id,
                    "mode": result.mode,
                    "finished_at": now,
                    "status": result.verdict.status.value,
                    "reason": result.verdict.reason.value,
                    "reason_words": result.verdict.words,
                    "resume_at": result.verdict.resume_at,
                    "is_newest_first": result.is_newest_first,
                    "requests": result.requests,
                    "requests_saved": result.requests_saved,
                    "pages": result.pages,
                    "orders_seen": result.orders_seen,
                    "orders_vanished": len(result.vanished),
                    "duplicates": result.duplicates,
                    "bytes": result.bytes,
                }
                for result in results
            ],
        )
        gone = [{"crawl_id": result.crawl_id, "order_key": key} for result in results for key in result.vanished]
        if gone:
            connection.execute(insert(vanished_orders).on_conflict_do_nothing(), gone)
        by_state: dict[tuple[str, str], list[str]] = {}
        for result in results:
            state = account_state(result.verdict)
            if state is not None:
                by_state.setdefault((result.account.source_system, state), []).append(result.account.partition_key)
        for (source_system, state), keys in by_state.items():
            accounts.set_state(connection, source_system, keys, state)

    def _cipher_of(self, connection: sa.Connection, wanted: Collection[Account]) -> dict[tuple[str, str], PageCipher]:
        """Return the ciphers of accounts; a data key is made for those that have none."""
        missing = {_key(account) for account in wanted if _key(account) not in self._ciphers}
        if missing:
            for system in {system for system, _ in missing}:
                keys = [key for of, key in missing if of == system]
                found = self._page_keys(connection, system, keys)
                fresh = [
                    {
                        "source_system": system,
                        "partition_key": key,
                        "wrapped_key": self._vault.seal(PageCipher.new_key()),
                    }
                    for key in keys
                    if key not in found
                ]
                if fresh:
                    connection.execute(insert(page_keys).on_conflict_do_nothing(), fresh)
                    found = self._page_keys(connection, system, keys)  # ours, or those of whoever was first
                for key, wrapped in found.items():
                    self._ciphers[system, key] = PageCipher.of(self._vault.open(wrapped))
        return {_key(account): self._ciphers[_key(account)] for account in wanted}

    @staticmethod
    def _page_keys(connection: sa.Connection, source_system: str, keys: Sequence[str]) -> dict[str, bytes]:
        wanted = page_keys.c.partition_key == sa.any_(sa.bindparam(None, list(keys), type_=ARRAY(sa.Text)))
        query = sa.select(page_keys.c.partition_key, page_keys.c.wrapped_key).where(
            page_keys.c.source_system == source_system, wanted
        )
        return {row.partition_key: row.wrapped_key for row in connection.execute(query)}


def _key(account: Account) -> tuple[str, str]:
    return account.source_system, account.partition_key


def _is_parked(last: sa.Row[Any], now: datetime) -> bool:
    """Whether the API asked not to be asked for this account yet."""
    return bool(last.status == "parked" and last.resume_at is not None and last.resume_at > now)


def _can_go_on(last: sa.Row[Any], now: datetime) -> bool:
    """Whether a crawl stopped for a reason that says nothing against the pages it left behind."""
    if last.crawl_id is None or last.started_at < now - _RESUME_WITHIN:
        return False
    stopped = last.status in {"incomplete", "parked", "failed"} and last.pages > 0 and last.reason in RESUMABLE
    return bool(last.status == "running" or stopped)

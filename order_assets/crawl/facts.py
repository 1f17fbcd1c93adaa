"""Raw pages of finished crawls into facts: decrypt, derive, load, a bounded batch at a time.

The derivation itself is in `domain`, the statements are in `warehouse.load`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from order_assets.clients.http import decode
from order_assets.crawl.ahead import DerivedAhead, Fetched
from order_assets.crawl.encryption import PageCipher, Vault
from order_assets.domain import ktsp, scalev
from order_assets.domain.pages import Frames, Page
from order_assets.domain.recognition import STATUS_MAP, Policy
from order_assets.settings import Settings, SourceSystem
from order_assets.warehouse.bodies import BODY, HOLDER, holds, is_kept
from order_assets.warehouse.ledger_schema import accounts, crawls, order_pages, page_keys, vanished_orders
from order_assets.warehouse.load import FactsLoad, LoadCounts, Prepared, analyze_unknown, prepare

BATCH_ORDERS = 4_000  # orders per transaction: bounds memory, and is large enough for set-based work to pay
_SERVER_TROUBLE = {"08", "25", "40", "42", "53", "55", "57", "58", "XX"}  # classes of SQLSTATE that no page can cause
DERIVE: dict[SourceSystem, Callable[[Sequence[Page], Policy, str], Frames]] = {
    "scalev": scalev.derive,
    "ktsp": ktsp.derive,
}
"""From the pages of a source to rows of the facts, with the policy and the key of the pseudonyms."""


def policy_of(settings: Settings) -> Policy:
    """Return the merchant's choices as the domain takes them."""
    section = settings.accounts.policy
    return Policy(
        recognition=section.recognition,
        cod_like_methods=section.cod_like_methods,
        status_map={**STATUS_MAP, **section.statuses},
        store_geography=section.store_geography,
        store_email_phone_hmac=section.store_email_phone_hmac,
    )


def load_pending(
    engine: sa.Engine,
    settings: Settings,
    run_id: str,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> LoadCounts:
    """Load every finished crawl that is not in the facts yet, oldest first; return what that did.

    `on_progress` takes how many of how many orders, on pages that bring news, were gone over.

    Each batch is one transaction and holds whole crawls, so a reader never sees half an account. While the server
    merges a batch, the next ones are derived here.
    """
    vault = Vault(settings.keys.encryption)
    total = LoadCounts()
    with engine.connect() as connection:
        pending = fetched(connection, crawls.c.loaded_at.is_(None))

    def derive(batch: Sequence[int]) -> list[Prepared]:
        with engine.connect() as connection:
            return [prepare(frames) for frames in frames_of(connection, batch, vault, settings)]

    todo = list(batches(pending, BATCH_ORDERS))
    known = {crawl.crawl_id: crawl for crawl in pending}
    done, listed = 0, sum(crawl.items for crawl in pending)
    with DerivedAhead(derive, todo, known, BATCH_ORDERS) as ahead:
        for place, batch in enumerate(todo):
            try:
                counts, was_alone = _load(engine, batch, vault, settings, run_id, ahead.take(place))
            except Exception as error:
                if is_of_the_database(error):
                    raise
                counts, was_alone = _load_one_by_one(engine, batch, vault, settings, run_id), False
            if not was_alone:
                ahead.forget()
            total += counts
            done += sum(known[crawl_id].items for crawl_id in batch)
            on_progress(done, listed)
    if total.orders_new:
        with engine.begin() as connection:
            analyze_unknown(connection)
    return total


def _load(
    engine: sa.Engine,
    batch: Sequence[int],
    vault: Vault,
    settings: Settings,
    run_id: str,
    derived: Future[list[Prepared]] | None = None,
) -> tuple[LoadCounts, bool]:
    """Load a batch in one transaction; return what that did, and whether no other load had taken some of it.

    `derived`: its rows, if they were derived ahead.
    """
    with engine.begin() as connection:
        load = FactsLoad(connection)
        waiting = _still_pending(connection, batch)
        is_alone = waiting == sorted(batch)

        def derive() -> Iterable[Frames]:
            return frames_of(connection, waiting, vault, settings)

        if derived is not None and is_alone:
            rows = derived.result()
            while rows:  # each goes as soon as it is staged
                load.add(rows.pop(0))
        else:
            for frames in derive():
                load.add(prepare(frames))
        return load.merge(waiting, run_id, derive), is_alone


def _load_one_by_one(
    engine: sa.Engine, batch: Sequence[int], vault: Vault, settings: Settings, run_id: str
) -> LoadCounts:
    """Load the crawls of a batch apart, so that only the one that cannot be loaded is left out, and says so."""
    total = LoadCounts()
    for crawl_id in batch:
        try:
            total += _load(engine, [crawl_id], vault, settings, run_id)[0]
        except Exception as error:
            if is_of_the_database(error):
                raise
            # The type alone: the message may quote the row.
            words = f"its pages are kept but could not be loaded ({type(getattr(error, 'orig', error)).__name__})"
            with engine.begin() as connection:
                connection.execute(
                    sa.update(crawls)
                    .where(crawls.c.crawl_id == crawl_id)
                    .values(status="failed", reason="bad_envelope", reason_words=words, loaded_at=sa.func.now())
                )
    return total


def is_of_the_database(error: Exception) -> bool:
    """Whether the server or the connection is at fault rather than the data: trying the rest would be no use."""
    if isinstance(error, psycopg.Error):  # from COPY, which SQLAlchemy does not see
        return (error.sqlstate or "08")[:2] in _SERVER_TROUBLE
    if not isinstance(error, sa.exc.DBAPIError):
        return isinstance(error, OSError | sa.exc.SQLAlchemyError)
    state = getattr(error.orig, "sqlstate", None) or "08"
    return error.connection_invalidated or state[:2] in _SERVER_TROUBLE


def fetched(connection: sa.Connection, *which: sa.ColumnElement[bool], since: datetime | None = None) -> list[Fetched]:
    """Return the finished crawls that left pages, oldest first; only those that meet the conditions.

    `since`: pages fetched before bring nothing.
    """
    news = sa.func.sum(order_pages.c["items"]).filter(brings_news(since))
    query = (
        sa.select(
            crawls.c.crawl_id,
            crawls.c.source_system,
            crawls.c.partition_key,
            sa.func.coalesce(news, 0),
        )
        .outerjoin(order_pages, order_pages.c.crawl_id == crawls.c.crawl_id)
        .where(crawls.c.status != "running", crawls.c.pages > 0, *which)
        .group_by(crawls.c.crawl_id)
        .order_by(crawls.c.crawl_id)
    )
    return [Fetched(number, (system, key), int(items)) for number, system, key, items in connection.execute(query)]


def _still_pending(connection: sa.Connection, batch: Sequence[int]) -> list[int]:
    query = sa.select(crawls.c.crawl_id).where(_is_one_of(batch), crawls.c.loaded_at.is_(None))
    return list(connection.execute(query.order_by(crawls.c.crawl_id)).scalars())


def _is_one_of(batch: Sequence[int]) -> sa.ColumnElement[bool]:
    return crawls.c.crawl_id == sa.any_(sa.bindparam(None, list(batch), type_=ARRAY(sa.BigInteger)))


def batches(pending: Sequence[Fetched], orders: int, *, one_per_account: bool = True) -> Iterator[list[int]]:
    """Yield crawls to load together, in their order: up to a number of orders, but at least one crawl.

    `one_per_account`: no two crawls of an account together, so that how the facts came about (when an order was first
    seen, last changed) does not depend on how many crawls were waiting.
    """
    batch: list[int] = []
    seen: set[tuple[str, str]] = set()
    held = 0
    for crawl in pending:
        if batch and (held + crawl.items > orders or (one_per_account and crawl.account in seen)):
            yield batch
            batch, seen, held = [], set(), 0
        batch.append(crawl.crawl_id)
        seen.add(crawl.account)
        held += crawl.items
    if batch:
        yield batch


def frames_of(
    connection: sa.Connection,
    batch: Sequence[int],
    vault: Vault,
    settings: Settings,
    since: datetime | None = None,
) -> Iterator[Frames]:
    """Derive the batch's pages source by source, never holding more than a bounded number of orders.

    `since`: only pages fetched since then, and none of them is passed over for one that is older.
    """
    policy, hmac_key = policy_of(settings), settings.keys.hmac.get_secret_value()
    for source_system, derive in DERIVE.items():
        held: list[Page] = []
        orders = 0
        for page, items in _pages(connection, batch, source_system, vault, since):
            held.append(page)
            orders += items
            if orders >= BATCH_ORDERS:
                frames = derive(held, policy, hmac_key)
                held, orders = [], 0  # before what comes of them is used, since pages are large
                yield frames
        if held:
            yield derive(held, policy, hmac_key)


def brings_news(since: datetime | None = None) -> sa.ColumnElement[bool]:
    """Return the condition that a page lists orders, and its body is none of the account's crawl before.

    That crawl is in the facts already, or comes before this one, so an unchanged history costs a comparison of hashes.
    A crawl that could not be loaded (failed, bad_envelope, although there were pages) is in no facts, so nothing is
    known from it; nor from one that found orders gone, since a page it kept may list them. `since`: only pages fetched
    since then count, here and there. A body that was deleted by age neither brings news nor takes it from others.
    """
    before = crawls.alias("before")
    crawl_before = (
        sa.select(sa.func.max(before.c.crawl_id))
        .where(
            before.c.source_system == crawls.c.source_system,
            before.c.partition_key == crawls.c.partition_key,
            before.c.crawl_id < crawls.c.crawl_id,
            before.c.pages > 0,
            sa.not_(sa.and_(before.c.status == "failed", before.c.reason == "bad_envelope")),
        )
        .correlate(crawls)
        .scalar_subquery()
    )
    seen = order_pages.alias("seen")
    is_known = sa.exists().where(
        seen.c.crawl_id == crawl_before,
        seen.c.body_sha256 == order_pages.c.body_sha256,
        seen.c["items"] > 0,
        is_kept(seen),
        seen.c.fetched_at <= order_pages.c.fetched_at,
        ~sa.exists().where(vanished_orders.c.crawl_id == seen.c.crawl_id),
    )
    lists_orders = sa.and_(order_pages.c["items"] > 0, is_kept(order_pages))
    if since is None:
        return sa.and_(lists_orders, ~is_known)
    is_known = is_known.where(seen.c.fetched_at >= since)
    return sa.and_(lists_orders, order_pages.c.fetched_at >= since, ~is_known)


def _pages(
    connection: sa.Connection, batch: Sequence[int], source_system: str, vault: Vault, since: datetime | None
) -> Iterator[tuple[Page, int]]:
    """Yield the readable pages of crawls that bring news, decrypted and decoded, in the order they were fetched."""
    is_new = brings_news(since)
    account = sa.and_(
        accounts.c.source_system == crawls.c.source_system, accounts.c.partition_key == crawls.c.partition_key
    )
    key = sa.and_(
        page_keys.c.source_system == crawls.c.source_system, page_keys.c.partition_key == crawls.c.partition_key
    )
    query = (
        sa.select(order_pages, *BODY, accounts, page_keys.c.wrapped_key, order_pages.c["items"].label("orders"))
        .outerjoin(HOLDER, holds(order_pages))
        .join(crawls, crawls.c.crawl_id == order_pages.c.crawl_id)
        .join(accounts, account)
        .join(page_keys, key)
        .where(
            _is_one_of(batch),
            crawls.c.source_system == source_system,
            is_new,
        )
        .order_by(order_pages.c.crawl_id, order_pages.c.page_number)
    )
    ciphers: dict[str, PageCipher] = {}
    with connection.execute(query.execution_options(yield_per=50)) as rows:
        for row in rows:
            cipher = ciphers.get(row.partition_key)
            if cipher is None:
                cipher = ciphers[row.partition_key] = PageCipher.of(vault.open(row.wrapped_key))
            body = cipher.decrypt(row.held_body, row.body_crawl_id, row.body_page_number)
            page = Page(
                content=decode(body, row.content_encoding),
                source_account=row.source_account,
                partition_key=row.partition_key,
                time_zone=row.time_zone,
                currency_code=row.currency,
                fetched_at=row.fetched_at,
                crawl_id=row.crawl_id,
                page_number=row.page_number,
                known_customer_key=row.customer_key,
            )
            yield page, row.orders

"""Frames into facts: orders by way of a temporary stage and set-based statements, what belongs to them by COPY.

One load runs at a time (an advisory lock), in the caller's transaction: readers see the facts before or after it. Rows
that do not differ are not written, so loading the same pages twice changes nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from order_assets.domain.pages import Frames
from order_assets.warehouse import fact_schema, ledger_schema, restatements, schema
from order_assets.warehouse.copying import begun, copy_all, rendered, send
from order_assets.warehouse.sql import statement
from order_assets.warehouse.unchanged import count_at_once

_LOAD_LOCK = 7_205_102  # any number; the same for all loads
_SAMPLE = 20  # a fifth of the server's default; enough to choose a plan by, until autovacuum looks more closely
_COUNTED = {"preserve_rowcount": True}
_HELD_ORDERS = 10_000  # of so many, what belongs to them is held in memory (about 4 kB each)

# Columns of order_facts that a page does not carry: they are decided while loading.
_DECIDED_HERE = {"revenue_class", "customer_order_seq", "first_seen_at", "last_seen_at", "last_changed_at", "run_id"}
_VERSION: tuple[sa.Column[Any], ...] = (
    sa.Column("crawl_id", sa.BigInteger()),
    sa.Column("page_number", sa.Integer()),
    sa.Column("position", sa.Integer()),
)
_FETCHED_AT: sa.Column[Any] = sa.Column("fetched_at", sa.TIMESTAMP(timezone=True))


class LostOrdersError(RuntimeError):
    """The merge did not keep an order of the pages: a defect of ours, never to be committed."""


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """What a load did: orders by outcome, and the months (first days) whose summaries are now stale."""

    orders_new: int = 0
    orders_changed: int = 0
    orders_unchanged: int = 0
    stale_payloads: int = 0
    months: frozenset[date] = field(default_factory=frozenset)

    def __add__(self, other: LoadCounts) -> LoadCounts:
        """Add the counts of two loads."""
        return LoadCounts(
            self.orders_new + other.orders_new,
            self.orders_changed + other.orders_changed,
            self.orders_unchanged + other.orders_unchanged,
            self.stale_payloads + other.stale_payloads,
            self.months | other.months,
        )


def _stage(name: str, table: sa.Table, *more: sa.Column[Any], leave_out: AbstractSet[str] = frozenset()) -> sa.Table:
    kept = [sa.Column(c.name, c.type) for c in table.columns if c.name not in leave_out]
    extra = [sa.Column(c.name, c.type) for c in more]
    return sa.Table(name, sa.MetaData(), *kept, *extra, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


_DIMENSION_TIMES = {"first_seen_at", "last_seen_at"}
STAGE_ORDERS = _stage(
    "stage_orders",
    schema.order_facts,
    sa.Column("partition_key", sa.Text()),
    *_VERSION,
    _FETCHED_AT,
    leave_out=_DECIDED_HERE,
)
STAGE_EVENTS = _stage("stage_events", fact_schema.order_status_events)
STAGE_STORES = _stage("stage_stores", schema.dim_store, _FETCHED_AT, leave_out=_DIMENSION_TIMES)
STAGE_CUSTOMERS = _stage("stage_customers", schema.dim_customer, _FETCHED_AT, leave_out=_DIMENSION_TIMES)
_OF_ORDERS: tuple[tuple[sa.Table, Callable[[Frames], pd.DataFrame]], ...] = (
    (fact_schema.order_line_facts, lambda frames: frames.lines),
    (schema.order_lifecycle, lambda frames: frames.lifecycles),
    (schema.discount_facts, lambda frames: frames.discounts),
)
"""Tables that hold of an order exactly what its newest version says."""


CHANGED_ORDERS = sa.Table(
    "changed_orders",
    sa.MetaData(),
    sa.Column("order_key", sa.Text(), primary_key=True),
    sa.Column("is_new", sa.Boolean(), nullable=False),
    *(sa.Column(c.name, c.type) for c in _VERSION),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
"""The orders that a load wrote, with the version that was written, if it is one of its pages."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Frames as a load takes them, so that another thread can make them ready.

    `orders`: how many rows of orders; `staged`: what is staged, as text for COPY; `parts`: the frames without what
    is staged; `unknown`: counts of `Frames.unknown` by source system, field and value.
    """

    orders: int
    staged: tuple[tuple[sa.Table, memoryview], ...]
    parts: Frames
    unknown: Counter[tuple[str, str, str]]


def prepare(frames: Frames) -> Prepared:
    """Make frames ready for `FactsLoad.add`; needs no connection."""
    nothing = pd.DataFrame()  # a slice would keep what it was taken from
    staged = ((STAGE_ORDERS, frames.orders), (STAGE_STORES, frames.stores), (STAGE_CUSTOMERS, frames.customers))
    system = frames.orders["source_system"].iloc[:1].tolist()  # none, if there are no orders
    return Prepared(
        orders=len(frames.orders),
        staged=tuple((table, rendered(table, frame)) for table, frame in staged),
        parts=replace(frames, orders=nothing, stores=nothing, customers=nothing),
        unknown=Counter({(name, *what): count for name in system for what, count in frames.unknown.items()}),
    )


class FactsLoad:
    """One load: `add` any number of frames, then `merge` once. The connection's transaction is the caller's."""

    def __init__(self, connection: sa.Connection, *, is_replay: bool = False) -> None:
        """Take the lock and make the stages.

        `is_replay`: also write orders that do not differ, unless this run wrote them already; whoever replays
        compares the months himself.
        """
        self._connection = connection
        self._is_replay = is_replay
        self._staged = 0
        self._held: list[Frames] | None = []
        self._unknown: Counter[tuple[str, str, str]] = Counter()
        lock(connection)
        for table in (STAGE_ORDERS, STAGE_EVENTS, STAGE_STORES, STAGE_CUSTOMERS):
            table.create(connection)

    def add(self, prepared: Prepared) -> None:
        """Stage the orders and the dimensions; what belongs to an order is held until it is known which are written.

        Of very many orders it is not held: then `merge` asks for the frames again.
        """
        self._staged += prepared.orders
        if self._staged > _HELD_ORDERS:
            self._held = None
        if self._held is not None:
            self._held.append(prepared.parts)
        self._unknown.update(prepared.unknown)
        for table, text in prepared.staged:
            send(self._connection, table, text)

    def merge(
        self, crawl_ids: Sequence[int], run_id: str, again: Callable[[], Iterable[Frames]] | None = None
    ) -> LoadCounts:
        """Bring the facts up to date with the stages and mark the crawls as loaded.

        `again` returns the added frames once more, for loads of more orders than are held in memory.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="render") as worker:
            return self._merge(crawl_ids, run_id, again, worker)

    def _merge(
        self,
        crawl_ids: Sequence[int],
        run_id: str,
        again: Callable[[], Iterable[Frames]] | None,
        worker: Executor,
    ) -> LoadCounts:
        run = self._connection.execute
        counts = LoadCounts()
        CHANGED_ORDERS.create(self._connection)
        run(sa.text("set local enable_seqscan = off"))  # few of many orders, and the first load has no statistics
        accepted = run(statement("load/accepted_orders"), execution_options=_COUNTED).rowcount
        run(statement("load/stale_payloads"))
        vanished = run(statement("load/any_vanished"), {"crawl_ids": list(crawl_ids)}).scalar_one()
        if self._staged or vanished:
            # Only what is joined: of wide rows, each further column costs as much as the merge of it.
            run(sa.text("analyze accepted_orders (order_key, source_system, partition_key, customer_key)"))
            run(statement("load/dim_store"))
            run(statement("load/dim_customer"))
            known = run(statement("load/prior_versions"), execution_options=_COUNTED).rowcount
            # What belongs to orders that are all new is rendered while the server merges them.
            news = self._begin(worker) if accepted == self._staged and not known else None
            if not self._is_replay:
                restatements.remember(self._connection, crawl_ids)
            with _references_known(self._connection):
                run(_upsert_orders(rewrite=self._is_replay), {"run_id": run_id})
                run(statement("load/member_conflicts"))
                run(sa.text("analyze changed_orders"))
                run(statement("load/lineage"))
                if news is None:
                    self._write_what_belongs(again, worker)
                else:
                    copy_all(self._connection, (news.popleft() for _ in range(len(news))))
            run(statement("load/account_customers"))
            run(statement("load/adopt_orders"))
            run(statement("load/adopt_orders_apply"))
            lost = run(statement("load/lost_orders")).scalar_one()
            if lost:
                raise LostOrdersError(f"{lost} orders of the pages are not in the facts after the merge")
            if vanished:
                run(statement("load/vanished_orders"), {"crawl_ids": list(crawl_ids), "run_id": run_id})
            if not self._is_replay:
                restatements.record(self._connection, crawl_ids)
            counts = self._counts(self._touch())
        self._note_unknown(crawl_ids)
        if not self._is_replay:
            run(statement("load/share_bodies"), {"crawl_ids": list(crawl_ids)})
        run(statement("load/finish_crawls"), {"crawl_ids": list(crawl_ids)})
        run(sa.text("set local enable_seqscan to default"))
        count_at_once(self._connection)
        return counts

    def _begin(self, worker: Executor) -> deque[tuple[sa.Table, Future[memoryview]]] | None:
        """Begin to render what belongs to the held orders, and hold it no longer; None if it is not held."""
        held, self._held = self._held, None
        return None if held is None else deque(begun(worker, chain.from_iterable(map(_of_new_orders, held))))

    def _write_what_belongs(self, again: Callable[[], Iterable[Frames]] | None, worker: Executor) -> None:
        """Replace lines, milestones, discounts and events of the orders that were written."""
        connection = self._connection
        held: Iterable[Frames] | None = self._held
        if held is None:
            if again is None:
                raise ValueError(f"{self._staged} orders are more than are held in memory; merge needs them again")
            held = again()
        columns = [c for c in CHANGED_ORDERS.columns if c.name != "order_key"]
        rows = connection.execute(sa.select(*columns)).all()
        written = pd.DataFrame(rows, columns=[c.name for c in columns])
        before = written[~written["is_new"].astype(bool)]
        if len(before):
            for table, _ in _OF_ORDERS:
                of_known = sa.and_(table.c.order_key == CHANGED_ORDERS.c.order_key, ~CHANGED_ORDERS.c.is_new)
                connection.execute(sa.delete(table).where(of_known))
        complete = len(written) == self._staged  # each row of the stage was written
        news = written.drop(before.index)

        def parts(frames: Frames) -> Iterator[tuple[sa.Table, pd.DataFrame]]:
            for table, frame_of in _OF_ORDERS:
                yield table, frame_of(frames) if complete else _of(frame_of(frames), written)
            if len(before):
                yield STAGE_EVENTS, _of(frames.events, before)
            events = frames.events if complete and not len(before) else _of(frames.events, news)
            yield fact_schema.order_status_events, events

        copy_all(connection, begun(worker, chain.from_iterable(map(parts, held))))
        self._held = None
        if len(before):
            connection.execute(sa.text("analyze stage_events"))
            connection.execute(statement("load/delete_events"))
            connection.execute(statement("load/insert_events"))

    def _note_unknown(self, crawl_ids: Sequence[int]) -> None:
        """Add what the APIs sent beyond their documents to `ops.unknown_fields`."""
        rows = [
            {"source_system": system, "field": field, "value": value, "occurrences": count,
             "first_crawl_id": min(crawl_ids), "last_crawl_id": max(crawl_ids)}
            for (system, field, value), count in sorted(self._unknown.items())
        ]  # fmt: skip
        if rows:
            add = insert(ledger_schema.unknown_fields)
            known = ledger_schema.unknown_fields.c
            self._connection.execute(
                add.on_conflict_do_update(
                    index_elements=["source_system", "field", "value"],
                    set_={
                        "occurrences": known.occurrences + add.excluded.occurrences,
                        "last_crawl_id": sa.func.greatest(known.last_crawl_id, add.excluded.last_crawl_id),
                    },
                ),
                rows,
            )

    def _touch(self) -> frozenset[date]:
        run = self._connection.execute
        run(sa.text("create temporary table touched_dates (order_date date, store_key text) on commit drop"))
        run(statement("load/touched_dates"))
        run(statement("load/order_sequence"))
        number = run(sa.text("select nextval('ops.change_numbers')")).scalar_one()
        months = frozenset(run(statement("load/touch_months"), {"change_number": number}).scalars())
        run(statement("load/touch_days"), {"change_number": number})
        return months

    def _counts(self, months: frozenset[date]) -> LoadCounts:
        query = sa.text(
            "select count(*) filter (where c.is_new), count(*) filter (where not c.is_new), (select count(*)"
            " from accepted_orders as a where not exists (select from changed_orders as x where x.order_key ="
            " a.order_key)), (select count(*) from stale_orders) from changed_orders as c"
        )
        new, changed, kept, stale = self._connection.execute(query).one()
        return LoadCounts(new, changed, kept - stale, stale, months)


def _of_new_orders(frames: Frames) -> Iterator[tuple[sa.Table, pd.DataFrame]]:
    """Yield the rows that belong to orders, by table."""
    for table, frame_of in _OF_ORDERS:
        yield table, frame_of(frames)
    yield fact_schema.order_status_events, frames.events


def lock(connection: sa.Connection) -> None:
    """Wait for other loads, and keep them waiting until the transaction ends."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOAD_LOCK})


def analyze_unknown(connection: sa.Connection) -> None:
    """Gather statistics of tables that have none yet; without them, what follows a first load takes ten times as long.

    Later the server's autovacuum keeps them up to date, a minute or so behind.
    """
    unknown = connection.execute(statement("load/never_analyzed")).scalars().all()
    if unknown:
        connection.execute(sa.text(f"set local default_statistics_target = {_SAMPLE}"))
        connection.execute(sa.text(f"analyze {', '.join(unknown)}"))


@contextmanager
def _references_known(connection: sa.Connection) -> Iterator[None]:
    """Spare the server to look up the order of each row, where it lets us: they were written a moment ago.

    The look-ups are half of the cost of these rows. Check 4 (`references_resolve`) proves them after each load.
    """
    may = sa.func.has_parameter_privilege("session_replication_role", "set")
    spared = connection.execute(sa.select(may)).scalar_one()
    if spared:
        connection.execute(sa.text("set local session_replication_role = replica"))
    yield
    if spared:  # an error needs no such care, since it undoes the transaction, and the setting with it
        connection.execute(sa.text("set local session_replication_role = origin"))


def _of(frame: pd.DataFrame, versions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that belong to one of the versions, which are named by the columns of `_VERSION`."""
    place = [c.name for c in _VERSION]
    wanted = pd.MultiIndex.from_frame(versions[place].astype("int64"))
    return frame[pd.MultiIndex.from_frame(frame[place].astype("int64")).isin(wanted)]


def _upsert_orders(*, rewrite: bool) -> sa.Insert:
    """Insert or update by the rule of model.md 1.6, and note which orders it wrote.

    `rewrite`: also write what does not differ, once per run.
    """
    facts = schema.order_facts
    accepted = sa.table("accepted_orders", *(sa.column(c.name, c.type) for c in STAGE_ORDERS.columns))
    from_page = [c.name for c in facts.columns if c.name not in _DECIDED_HERE]
    seen = {"first_seen_at", "last_seen_at", "last_changed_at"}
    # Right for a customer whose orders all come at once; load/order_sequence puts the others right.
    is_revenue = sa.and_(
        accepted.c.recognition_state == "recognised",
        accepted.c.is_money_reportable,
        sa.not_(accepted.c.is_deleted_at_source),
    )
    rank = sa.func.row_number().over(
        partition_by=[accepted.c.source_system, accepted.c.currency_code, accepted.c.customer_key, is_revenue],
        order_by=[accepted.c.ordered_at, accepted.c.source_order_id],
    )
    rows = sa.select(
        *(accepted.c[name] for name in from_page),
        *(accepted.c.fetched_at.label(name) for name in sorted(seen)),
        sa.bindparam("run_id", type_=sa.Text()).label("run_id"),
        sa.case((is_revenue, rank)).label("customer_order_seq"),
    )
    upsert = insert(facts).from_select([*from_page, *sorted(seen), "run_id", "customer_order_seq"], rows)
    new = upsert.excluded
    same_clock = sa.or_(
        new.source_updated_at == facts.c.source_updated_at,
        new.source_updated_at.is_(None),
        facts.c.source_updated_at.is_(None),
    )
    written = (
        upsert.on_conflict_do_update(
            index_elements=[facts.c.order_key],
            set_={name: new[name] for name in [*from_page, "last_seen_at", "last_changed_at", "run_id"]},
            where=sa.and_(
                sa.or_(facts.c.source_system == "scalev", facts.c.customer_key == new.customer_key),
                sa.or_(
                    new.source_updated_at > facts.c.source_updated_at,
                    sa.and_(
                        same_clock,
                        # Of two crawls at once, the one that looked first may be loaded last. What was seen in the
                        # future was seen by a wrong clock, and must not count as newer until then.
                        sa.or_(
                            new.last_seen_at >= facts.c.last_seen_at,
                            facts.c.last_seen_at > sa.func.clock_timestamp(),
                        ),
                        sa.or_(
                            new.payload_sha256 != facts.c.payload_sha256,
                            facts.c.is_deleted_at_source,
                            *([new.run_id != facts.c.run_id] if rewrite else []),
                        ),
                    ),
                ),
            ),
        )
        .returning(facts.c.order_key, sa.literal_column("xmax = 0").label("is_new"))
        .cte("written")
    )
    versions = sa.select(written.c.order_key, written.c.is_new, *(accepted.c[c.name] for c in _VERSION)).join(
        accepted, accepted.c.order_key == written.c.order_key
    )
    return sa.insert(CHANGED_ORDERS).from_select([c.name for c in CHANGED_ORDERS.columns], versions)

"""The worked example of the data model, through the real code and a real PostgreSQL, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.domain import ktsp, scalev
from order_assets.domain.pages import Page
from order_assets.domain.recognition import Policy
from order_assets.warehouse.ledger_schema import accounts, crawls
from order_assets.warehouse.load import FactsLoad, LoadCounts, prepare
from order_assets.warehouse.summaries import stale_months, summarise

_HERE = Path(__file__).parent
EXPECTED: dict[str, Any] = json.loads((_HERE / "expected.json").read_text(encoding="utf-8"))
INPUTS: dict[str, Any] = json.loads((_HERE / "inputs.json").read_text(encoding="utf-8"))
KEYS = {
    "order_facts": ("order_key",),
    "discount_facts": ("order_key", "discount_kind"),
    "revenue_daily": ("order_date", "source_system", "store_key", "currency_code"),
    "discount_by_kind_monthly": ("order_month", "source_system", "store_key", "currency_code", "discount_kind"),
}
SUMMARIES = ("revenue_daily", "discount_by_kind_monthly")
LIFECYCLE_STEPS = {
    "pending_to_paid": ("pending_at", "paid_at"),
    "paid_to_shipped": ("paid_at", "shipped_at"),
    "shipped_to_completed": ("shipped_at", "completed_at"),
    "shipped_to_rts": ("shipped_at", "rts_at"),
    "ordered_to_paid": ("ordered_at", "paid_at"),
    "ordered_to_completed": ("ordered_at", "completed_at"),
}


def golden_pages(crawl_ids: Sequence[int]) -> tuple[Page, Page]:
    """The two pages of the example, as if fetched by two crawls."""
    config = INPUTS["config"]
    fetched_at = datetime.fromisoformat(config["fetched_at"])
    store = config["scalev"]["store_A"]
    member = config["ktsp"]
    return (
        Page(
            content=json.dumps(INPUTS["scalev_page"]).encode(),
            source_account="store_A",
            partition_key="store_A/c-001",
            time_zone=store["time_zone"],
            currency_code=store["default_currency"],
            fetched_at=fetched_at,
            crawl_id=crawl_ids[0],
            page_number=1,
        ),
        Page(
            content=json.dumps(INPUTS["ktsp_page"]).encode(),
            source_account=member["account"],
            partition_key=f"{member['account']}/{member['member_id']}",
            time_zone=member["time_zone"],
            currency_code=member["currency"],
            fetched_at=fetched_at,
            crawl_id=crawl_ids[1],
            page_number=0,
        ),
    )


def record_crawls(connection: sa.Connection) -> list[int]:
    """Configure the two accounts, if they are not yet, and record one complete crawl of each."""
    fetched_at = datetime.fromisoformat(INPUTS["config"]["fetched_at"])
    ids = []
    for source, account, partition, zone, currency in (
        ("scalev", "store_A", "store_A/c-001", "Asia/Jakarta", "IDR"),
        ("ktsp", "ktsp", "ktsp/KT00000001", "Asia/Hong_Kong", "HKD"),
    ):
        row = {
            "source_system": source,
            "partition_key": partition,
            "source_account": account,
            "display_name": partition,
            "time_zone": zone,
            "currency": currency,
            "state": "active",
            "origin": "file",
            "added_at": fetched_at,
        }
        known = sa.select(accounts.c.partition_key).where(accounts.c.partition_key == partition)
        if connection.execute(known).first() is None:
            connection.execute(sa.insert(accounts).values(row))
        crawl = sa.insert(crawls).values(
            source_system=source,
            partition_key=partition,
            mode="full",
            started_at=fetched_at,
            finished_at=fetched_at,
            status="complete",
            reason="ok",
            pages=1,
            run_id="run",
        )
        ids.append(connection.execute(crawl.returning(crawls.c.crawl_id)).scalar_one())
    return ids


def load_golden(engine: sa.Engine, run_id: str) -> LoadCounts:
    """Crawl, derive, load and summarise the example once."""
    key = INPUTS["config"]["hmac_key"]
    with engine.begin() as connection:
        ids = record_crawls(connection)
        scalev_page, ktsp_page = golden_pages(ids)
        load = FactsLoad(connection)
        load.add(prepare(scalev.derive([scalev_page], Policy(), key)))
        load.add(prepare(ktsp.derive([ktsp_page], Policy(), key)))
        counts = load.merge(ids, run_id)
    for table in SUMMARIES:
        with engine.begin() as connection:
            months = stale_months(connection, table)
            if months:
                summarise(connection, table, months[0], months[-1], run_id)
    return counts


def rows_of(engine: sa.Engine, table: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """The rows of a mart by their key, as text."""
    with engine.connect() as connection:
        found = connection.execute(sa.text(f"select * from marts.{table}")).mappings().all()  # noqa: S608 - our names
    return {tuple(str(row[name]) for name in KEYS[table]): dict(row) for row in found}


def same(expected: object, actual: object) -> bool:
    """Whether a cell of the golden file is the value of the database; numbers exactly, instants as instants."""
    match actual:
        case Decimal():
            return isinstance(expected, str | int) and Decimal(expected) == actual
        case datetime():
            return isinstance(expected, str) and datetime.fromisoformat(expected) == actual
        case date():
            return expected == actual.isoformat()
        case _:
            return type(expected) is type(actual) and expected == actual


@pytest.fixture
def loaded(engine: sa.Engine) -> sa.Engine:
    """A database with the example in it."""
    load_golden(engine, "run-1")
    return engine


@pytest.mark.parametrize("table", KEYS)
def test_every_cell(loaded: sa.Engine, table: str) -> None:
    """Without it a formula could drift from the published contract by a cent and nobody would know."""
    actual = rows_of(loaded, table)
    expected = {tuple(str(row[name]) for name in KEYS[table]): row for row in EXPECTED[table]}

    assert set(actual) == set(expected), "rows lost or invented"
    differences = [
        f"{'/'.join(key)} {column}: expected {cell!r}, got {actual[key].get(column, 'no such column')!r}"
        for key, row in expected.items()
        for column, cell in row.items()
        if column not in actual[key] or not same(cell, actual[key][column])
    ]
    assert differences == []


def test_the_comparison_can_fail() -> None:
    """Without it a comparison that says yes to everything would keep the golden test green."""
    assert not same("1.00", Decimal("1.01"))
    assert not same(None, Decimal(0))
    assert not same("0", None)
    assert not same(1, True)
    assert not same("2025-01-30T02:00:01Z", datetime.fromisoformat("2025-01-30T02:00:00Z"))
    assert not same([], ["residual_positive"])


def test_row_counts(loaded: sa.Engine) -> None:
    """Without it a table beside the compared ones could lose or double rows."""
    expected = {
        "order_facts": 8,
        "order_lifecycle": 8,
        "discount_facts": 9,
        "revenue_daily": 6,
        "discount_by_kind_monthly": 7,
        "dim_store": 3,
        "dim_customer": 5,
    }
    with loaded.connect() as connection:
        found = {
            table: connection.execute(
                sa.select(sa.func.count()).select_from(sa.table(table, schema="marts"))
            ).scalar_one()
            for table in expected
        }
    assert found == expected


def dump(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of schema marts with the transaction that wrote it."""
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names("marts")
        return {
            name: sorted(
                tuple(row)
                for row in connection.execute(
                    sa.text(f"select t.xmin::text, t.ctid::text, t::text from marts.{name} as t")  # noqa: S608 - ours
                )
            )
            for name in names
        }


def test_loading_twice_rewrites_nothing(loaded: sa.Engine) -> None:
    """Without it a re-run could rewrite or move money it has already published."""
    before = dump(loaded)

    counts = load_golden(loaded, "run-2")

    assert dump(loaded) == before
    assert (counts.orders_new, counts.orders_changed, counts.orders_unchanged) == (0, 0, 8)
    assert counts.months == frozenset()


def test_summarising_twice_rewrites_nothing(loaded: sa.Engine) -> None:
    """Without it every backfill would touch every row of the summaries."""
    before = dump(loaded)
    for table in SUMMARIES:
        with loaded.begin() as connection:
            counts = summarise(connection, table, date(2024, 8, 1), date(2025, 2, 1), "run-2")
        assert (counts.written, counts.removed) == (0, 0)
    assert dump(loaded) == before


def test_first_load_names_what_it_did(engine: sa.Engine) -> None:
    """Without it the months whose summaries are stale could be missed."""
    counts = load_golden(engine, "run-1")

    assert (counts.orders_new, counts.orders_changed, counts.stale_payloads) == (8, 0, 0)
    assert counts.months == {date(2024, 8, 1), date(2024, 9, 1), date(2025, 1, 1), date(2025, 2, 1)}


def test_lifecycle_percentiles(loaded: sa.Engine) -> None:
    """Without it a milestone could be taken from the year-26 column, or its last instead of its first time."""
    with loaded.connect() as connection:
        found = [measure_step(connection, row) for row in EXPECTED["lifecycle_monthly"]]

    names = ("order_month", "step", "orders_measured", "orders_negative", "p50_seconds", "p90_seconds")
    assert found == [{name: str(row[name]) for name in names} for row in EXPECTED["lifecycle_monthly"]]


def measure_step(connection: sa.Connection, row: dict[str, Any]) -> dict[str, str]:
    """Durations of one step of one month, computed from the milestones of the orders."""
    start, end = LIFECYCLE_STEPS[row["step"]]
    seconds = f"extract(epoch from {end} - l.{start})"
    query = sa.text(
        f"""
        select
            count(*) filter (where {seconds} >= 0) as orders_measured,
            count(*) filter (where {seconds} < 0) as orders_negative,
            round(percentile_cont(0.5) within group (order by {seconds})::numeric, 1) as p50_seconds,
            round(percentile_cont(0.9) within group (order by {seconds})::numeric, 1) as p90_seconds
        from marts.order_lifecycle as l
        inner join marts.order_facts as f on f.order_key = l.order_key
        where
            f.store_key = :store and date_trunc('month', f.order_date)::date = cast(:month as date)
            and {seconds} is not null
        """  # noqa: S608 - column names of this file
    )
    values = {"store": row["store_key"], "month": row["order_month"]}
    measured = connection.execute(query, values).mappings().one()
    return {"order_month": row["order_month"], "step": row["step"]} | {n: str(v) for n, v in measured.items()}


def test_no_orders_at_all(engine: sa.Engine) -> None:
    """Without it an account without orders could break the load of all accounts."""
    with engine.begin() as connection:
        ids = record_crawls(connection)
        scalev_page, ktsp_page = golden_pages(ids)
        empty = json.dumps({"data": [], "has_next": False, "trace_id": "undocumented"}).encode()
        load = FactsLoad(connection)
        load.add(prepare(scalev.derive([_with(scalev_page, empty)], Policy(), "key")))
        load.add(prepare(ktsp.derive([_with(ktsp_page, b'{"status": 1}')], Policy(), "key")))
        assert load.merge(ids, "run-1") == LoadCounts()
        assert connection.execute(sa.text("select count(*) from ops.unknown_fields")).scalar_one() == 0


def _with(page: Page, content: bytes) -> Page:
    return Page(**{name: getattr(page, name) for name in Page.__slots__} | {"content": content})

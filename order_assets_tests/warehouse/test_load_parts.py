"""Lines, status events and customers in the facts: replaced with their order, and what only a second load can see."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.domain import scalev
from order_assets.domain.recognition import Policy
from order_assets.warehouse.load import FactsLoad, prepare
from order_assets_tests.factories import HMAC_KEY, page, scalev_line, scalev_order, scalev_page
from order_assets_tests.warehouse.parts import do, rows

NO_TIMES = {name: None for name in scalev_order() if name.endswith("_time")}
_crawl_ids = count(1)


def load(engine: sa.Engine, *orders: dict[str, Any], policy: Policy | None = None) -> None:
    """Load one page of orders, as another crawl would bring it."""
    crawl_id = next(_crawl_ids)
    frames = scalev.derive([page(scalev_page(orders), crawl_id=crawl_id)], policy or Policy(), HMAC_KEY)
    with engine.begin() as connection:
        parts = FactsLoad(connection)
        parts.add(prepare(frames))
        parts.merge([crawl_id], f"run-{crawl_id}")


def version(day: int, **fields: Any) -> dict[str, Any]:
    """An order without times of its own, last changed at noon of a day of February."""
    return scalev_order(**(NO_TIMES | {"last_updated_at": f"2025-02-{day:02d}T12:00:00Z"} | fields))


def events(engine: sa.Engine) -> set[tuple[str, str, str, str, bool]]:
    """Dimension, status, time, source of every event, and whether it is the first."""
    query = """
        select event_dimension, status, to_char(occurred_at at time zone 'UTC', 'DD HH24:MI') as at, event_source,
            is_first
        from marts.order_status_events
    """
    return {tuple(row.values()) for row in rows(engine, query)}


def test_lines_are_those_of_the_last_version(engine: sa.Engine) -> None:
    """Without it, a line that was taken out of an order would be sold for ever."""
    load(engine, version(1, orderlines=[scalev_line(), scalev_line(variant=12)]), version(1, order_id="other"))
    load(engine, version(2, orderlines=[scalev_line(variant=13)]))
    query = """
        select f.source_order_id as id, l.line_number, l.product_key
        from marts.order_line_facts as l inner join marts.order_facts as f on f.order_key = l.order_key order by 1
    """
    assert [tuple(row.values()) for row in rows(engine, query)] == [
        ("250130JQHFZG", 1, "store_A|13"), ("other", 1, "store_A|11"),
    ]  # fmt: skip


def test_an_older_version_changes_nothing(engine: sa.Engine) -> None:
    """Without it, an answer that comes late would bring back old lines and statuses."""
    load(engine, version(2, status="shipped", shipped_time="2025-02-02T00:00:00Z"))
    before = (rows(engine, "select * from marts.order_line_facts"), events(engine))
    load(engine, version(1, status="ready", orderlines=[], ready_time="2025-02-01T00:00:00Z"))
    assert (rows(engine, "select * from marts.order_line_facts"), events(engine)) == before


def test_a_change_that_the_source_dates_nowhere_is_our_own_sighting(engine: sa.Engine) -> None:
    """Without it, the vendor's empty times would hide for ever when an order was confirmed."""
    load(engine, version(1, status="pending", payment_status="unpaid", shipment_status=None))
    assert events(engine) == set()
    load(engine, version(2, status="confirmed", payment_status="paid", shipment_status="picked_up"))
    seen = {
        ("order", "confirmed", "02 12:00", "observed", True),
        ("payment", "paid", "02 12:00", "observed", True),
        ("shipment", "picked_up", "02 12:00", "observed", True),
    }
    assert events(engine) == seen
    load(engine, version(3, status="confirmed", payment_status="paid", shipment_status=None, notes="x"))
    assert events(engine) == seen, "neither the same status nor none is an entry"
    load(engine, version(4, status="pending", payment_status="paid"))
    load(engine, version(5, status="confirmed", payment_status="paid"))
    assert events(engine) == seen | {
        ("order", "pending", "04 12:00", "observed", True),
        ("order", "confirmed", "05 12:00", "observed", False),
    }


def test_the_source_stands_before_our_sighting(engine: sa.Engine) -> None:
    """Without it, an entry that the source tells would stand in the log twice."""
    load(engine, version(1, status="pending"))
    load(engine, version(2, status="ready", ready_time="2025-02-02T11:55:00Z"))
    assert events(engine) == {("order", "ready", "02 11:55", "time_column", True)}
    load(engine, version(3, status="shipped", ready_time="2025-02-02T11:55:00Z"))
    assert ("order", "shipped", "03 12:00", "observed", True) in events(engine)
    told = [
        {"at": "2025-02-03T12:00:00.400Z", "status": "shipped"},
        {"at": "2025-02-01T00:00:00Z", "status": "shipped"},
    ]
    load(engine, version(4, status="shipped", status_history=told))
    assert events(engine) == {
        ("order", "shipped", "01 00:00", "history", True), ("order", "shipped", "03 12:00", "history", False),
    }  # fmt: skip


def test_an_earlier_entry_makes_our_sighting_a_later_one(engine: sa.Engine) -> None:
    """Without it, a status would have two first entries."""
    load(engine, version(1, status="pending"))
    load(engine, version(2, status="ready"))
    load(engine, version(3, status="ready", ready_time="2025-02-01T13:00:00Z"))
    assert events(engine) == {
        ("order", "ready", "01 13:00", "time_column", True), ("order", "ready", "02 12:00", "observed", False),
    }  # fmt: skip


def test_a_change_without_a_clock_is_not_dated(engine: sa.Engine) -> None:
    """Without it, a sighting would be dated by our own clock, and differ from crawl to crawl."""
    load(engine, version(1, status="pending", last_updated_at=None))
    load(engine, version(1, status="ready", last_updated_at=None))
    assert events(engine) == set()


def test_the_same_page_twice_writes_nothing(engine: sa.Engine) -> None:
    """Without it, every crawl would rewrite lines and events of orders that did not change."""
    query = "select xmin::text, ctid::text from marts.{} order by 2"
    tables = ("order_line_facts", "order_status_events", "dim_customer", "order_lifecycle")
    customer = {"id": 101, "status": "active", "email": "a@example.com"}
    order = scalev_order(customer=customer)
    on = Policy(store_email_phone_hmac=True)
    load(engine, order, policy=on)
    before = [rows(engine, query.format(table)) for table in tables]
    load(engine, order, policy=on)
    assert [rows(engine, query.format(table)) for table in tables] == before


def test_customers_follow_the_source(engine: sa.Engine) -> None:
    """Without it, a customer's status would stay what it first was, or be lost with the first order without one."""
    query = "select source_status, customer_created_at is not null as dated, email_hmac from marts.dim_customer"
    on = Policy(store_email_phone_hmac=True)
    load(engine, version(1, customer={"id": 1, "status": "new", "created_at": "2024-01-01T00:00:00Z"}))
    load(engine, version(2, customer={"id": 1, "status": "vip", "email": "a@example.com"}), policy=on)
    load(engine, version(3, customer={"id": 1}))
    (row,) = rows(engine, query)
    assert (row["source_status"], row["dated"], len(row["email_hmac"])) == ("vip", True, 64)


_WRONG = {
    "net sales by the last digit": "line_net_sales_amount = line_net_sales_amount + 0.0001",
    "a share by a cent": "alloc_header_discount_amount = alloc_header_discount_amount - 0.01",
    "an unknown basis": "line_basis = 'guess'",
    "a line before the first": "line_number = 0",
}


@pytest.mark.parametrize("change", _WRONG.values(), ids=_WRONG)
def test_wrong_money_is_refused_by_the_table(change: str, engine: sa.Engine) -> None:
    """Without it, a bug in the sharing could publish sales by product that are no order's."""
    load(engine, scalev_order())
    with pytest.raises(sa.exc.IntegrityError):
        do(engine, f"update marts.order_line_facts set {change}")  # noqa: S608 - literals of this file


def test_deleting_an_order_takes_lines_and_events_along(engine: sa.Engine) -> None:
    """Without it, forgetting a person would leave what they bought and when."""
    load(engine, scalev_order())
    do(engine, "delete from marts.order_facts")
    for table in ("order_line_facts", "order_status_events"):
        assert rows(engine, f"select count(*) as n from marts.{table}") == [{"n": 0}]  # noqa: S608 - literals

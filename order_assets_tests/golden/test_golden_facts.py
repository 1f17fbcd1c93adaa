"""The worked example's lines, status events, milestones and dimensions, cell by cell."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
import sqlalchemy as sa

from order_assets_tests.golden.test_golden import EXPECTED, INPUTS, load_golden, same
from order_assets_tests.warehouse.parts import rows

MILESTONES = (
    "draft", "pending", "confirmed", "in_process", "ready", "shipped", "completed", "rts", "canceled", "closed",
    "unpaid", "paid", "transfer",
)  # fmt: skip


@pytest.fixture
def loaded(engine: sa.Engine) -> sa.Engine:
    """A database with the example in it."""
    load_golden(engine, "run-1")
    return engine


def test_every_cell_of_the_lines(loaded: sa.Engine) -> None:
    """Without it, a cent of a discount could go to another line than the contract says."""
    found = {
        (row["order_key"], row["line_number"]): row for row in rows(loaded, "select * from marts.order_line_facts")
    }
    expected = {(row["order_key"], row["line_number"]): row for row in EXPECTED["order_line_facts"]}
    assert set(found) == set(expected), "rows lost or invented"
    differences = [
        f"{key} {column}: expected {cell!r}, got {found[key][column]!r}"
        for key, row in expected.items()
        for column, cell in row.items()
        if not same(cell, found[key][column])
    ]
    assert differences == []


def test_lines_add_up_to_their_orders(loaded: sa.Engine) -> None:
    """Without it, sales by product and sales by day would be two truths."""
    query = """
        select f.source_order_id, f.net_sales_amount, sum(l.line_net_sales_amount) as of_lines
        from marts.order_line_facts as l inner join marts.order_facts as f on f.order_key = l.order_key
        where f.is_money_reportable group by f.order_key
    """
    found = rows(loaded, query)
    assert len(found) == 5
    assert [row for row in found if row["net_sales_amount"] != row["of_lines"]] == []
    keys = {row["product_key"] for row in rows(loaded, "select product_key from marts.order_line_facts")}
    assert {"store_A|11", "store_A|22", "store_A|62"} <= keys


def test_events(loaded: sa.Engine) -> None:
    """Without it, an entry into a status could be lost, doubled, or dated by the year-26 column."""
    found = rows(
        loaded,
        "select f.source_order_id as id, e.* from marts.order_status_events as e"
        " inner join marts.order_facts as f on f.order_key = e.order_key",
    )
    assert len(found) == EXPECTED["event_count"]
    assert Counter(row["id"] for row in found if row["event_source"] == "order_time") == Counter(
        order["orderCode"] for order in INPUTS["ktsp_page"]["items"]
    )
    assert all(row["is_first"] and row["actor_kind"] is None for row in found)
    (completed,) = [row for row in found if (row["id"], row["status"]) == ("250201DDDDDD", "completed")]
    assert (completed["event_source"], f"{completed['occurred_at']:%Y-%m-%d}") == ("history", "2025-02-04")
    assert [row["event_dimension"] for row in found if row["status"] == "transfer"] == ["payment"]


def test_milestones_are_the_first_events(loaded: sa.Engine) -> None:
    """Without it, the snapshot and the log would tell different days."""
    firsts = {
        (row["order_key"], row["status"]): row["occurred_at"]
        for row in rows(loaded, "select * from marts.order_status_events where is_first and status <> 'ordered'")
    }
    snapshots = rows(loaded, "select * from marts.order_lifecycle")
    assert {
        (row["order_key"], name): row[f"{name}_at"] for row in snapshots for name in MILESTONES if row[f"{name}_at"]
    } == firsts
    assert sum(row["milestones_reached"] for row in snapshots) == len(firsts)
    assert all(row["reopened_count"] == 0 and row["is_sequence_ok"] for row in snapshots)


def test_dimensions(loaded: sa.Engine) -> None:
    """Without it, a store or a person of the example could be missing or stand twice."""
    stores = rows(loaded, "select * from marts.dim_store order by store_key")
    assert [(row["store_key"], row["time_zone"], row["default_currency"]) for row in stores] == [
        ("ktsp|KTSP010000001", "Asia/Hong_Kong", "HKD"),
        ("ktsp|unknown", "Asia/Hong_Kong", "HKD"),
        ("scalev|store_A", "Asia/Jakarta", "IDR"),
    ]
    people = rows(loaded, "select * from marts.dim_customer")
    assert {row["customer_key"] for row in people} == {row["customer_key"] for row in EXPECTED["order_facts"]}
    names = ("source_status", "customer_created_at", "email_hmac", "phone_hmac")
    assert {row[name] for row in people for name in names} == {None}


def test_unit_of_allocation(loaded: sa.Engine) -> None:
    """Without it, rupiah could be shared in whole ones, and the cent of the example go elsewhere."""
    query = (
        "select l.alloc_header_discount_amount as share from marts.order_line_facts as l inner join marts.order_facts"
        " as f on f.order_key = l.order_key where f.source_order_id = '250131CCCCCC' order by l.line_number"
    )
    assert [row["share"] for row in rows(loaded, query)] == [Decimal("62.12"), Decimal("37.27"), Decimal("23.61")]

"""What analysts read: the views say the same as the tables they show, by names that need no key, and name no person."""

# ruff: noqa: S608 - the names are those of our own views

from __future__ import annotations

import pytest
import sqlalchemy as sa

from order_assets.warehouse import reporting
from order_assets_tests.warehouse.parts import do, rows


def test_a_view_has_each_row_and_value_of_its_table_once(reported: sa.Engine) -> None:
    """Without it, a join could drop or double rows, and analysts would sum to other totals than finance."""
    for view in reporting.VIEWS:
        if view.of is None:
            continue
        measured = [(c.name, c.sql.removeprefix("t.")) for c in view.columns if c.sql.startswith("t.")]
        theirs = "select " + ", ".join(f"{name}::text" for name, _ in measured) + f" from reporting.{view.name}"
        ours = "select " + ", ".join(f"{column}::text" for _, column in measured) + f" from marts.{view.of}"
        assert rows(reported, f"({theirs} except all {ours}) union all ({ours} except all {theirs})") == []
        assert rows(reported, f"select count(*) from ({ours}) as t") == rows(
            reported, f"select count(*) from ({theirs}) as t"
        )
    assert rows(reported, "select 1 as one from reporting.revenue_by_day limit 1") == [{"one": 1}]


def test_the_keys_of_a_view_tell_its_rows_apart(reported: sa.Engine) -> None:
    """Without it, an export would have no certain order, and a join by the documented keys would multiply rows."""
    for view in reporting.VIEWS:
        keys = ", ".join(view.keys)
        assert rows(reported, f"select {keys} from reporting.{view.name} group by {keys} having count(*) > 1") == []


def test_stores_are_named(reported: sa.Engine) -> None:
    """Without it, a chart by store would be labelled with keys."""
    with reported.begin() as connection:
        connection.execute(sa.text("update marts.dim_store set display_name = 'Shop of ' || store_key"))
    for view in reporting.VIEWS:
        if {"store", "store_key"} <= {column.name for column in view.columns}:
            wrong = f"select * from reporting.{view.name} where store <> 'Shop of ' || store_key"
            assert rows(reported, wrong) == []


def test_completeness_counts_accounts_by_their_last_crawl(engine: sa.Engine) -> None:
    """Without it, an account that fails since yesterday would count as complete because it once was."""
    crawls: dict[str, list[tuple[str, str | None]]] = {
        "a/1": [("complete", "09:00"), ("complete", "10:00")],
        "a/2": [("complete", "08:00"), ("failed", "10:00"), ("running", None)],
        "a/3": [],
        "a/4": [("complete", "07:00")],
    }
    for key, ended in crawls.items():
        do(engine, "insert into ops.accounts (source_system, partition_key, source_account, display_name, time_zone,"
           " currency, state, origin, added_at)"
           " values ('scalev', :key, 'a', :key, 'UTC', 'IDR', :state, 'file', now())",
           key=key, state="retired" if key == "a/4" else "active")  # fmt: skip
        for status, clock in ended:
            do(engine, "insert into ops.crawls (source_system, partition_key, mode, started_at, finished_at, status,"
               " run_id) values ('scalev', :key, 'full', '2026-01-01', cast(:at as timestamptz), :status, 'r')",
               key=key, status=status, at=clock and f"2026-01-01 {clock}+00")  # fmt: skip
    query = (
        "select accounts, accounts_complete, accounts_not_complete, accounts_retired,"
        " to_char(oldest_complete_at at time zone 'UTC', 'HH24:MI') as oldest from reporting.completeness"
    )
    assert rows(engine, query) == [
        {"accounts": 3, "accounts_complete": 1, "accounts_not_complete": 2, "accounts_retired": 1, "oldest": "08:00"}
    ]


def test_no_view_names_an_account_or_holds_a_pseudonym_of_contact_data(engine: sa.Engine) -> None:
    """Without it, a member's number or a hashed e-mail address would reach whoever may read reports."""
    columns = rows(
        engine, "select column_name as name from information_schema.columns where table_schema = 'reporting'"
    )
    names = {str(row["name"]) for row in columns}
    assert len(names) > 100
    assert names & {"partition_key", "email_hmac", "phone_hmac", "account_number", "told_reason"} == set()


def test_a_reader_needs_no_right_beyond_the_views(engine: sa.Engine) -> None:
    """Without it, an analyst's role would have to be let into the ledger and the raw pages to read a report."""
    name = f"reader_{sa.make_url(engine.url).database}"
    do(engine, [f"create role {name}", f"grant usage on schema reporting to {name}",
                f"grant select on all tables in schema reporting to {name}"])  # fmt: skip
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(f"set local role {name}"))
            for view in reporting.VIEWS:
                connection.execute(sa.text(f"select * from reporting.{view.name} limit 1"))
            for refused in ("marts.order_facts", "ops.accounts", "raw.order_pages"):
                with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), connection.begin_nested():
                    connection.execute(sa.text(f"select * from {refused}"))
    finally:
        do(engine, [f"drop owned by {name}", f"drop role {name}"])


def test_plain_names_never_collide() -> None:
    """Without it, two columns could become one name, or a view be mistaken for a table of `marts`."""
    tables = {view.of for view in reporting.VIEWS}
    for view in reporting.VIEWS:
        names = [column.name for column in view.columns]
        assert len(set(names)) == len(names)
        assert set(view.keys) <= set(names)
        assert view.name not in tables

"""Forgetting reaches what Dagster keeps, on its real storage: events, partitions, tags, checks, log files."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from order_assets import runtime
from order_assets.crawl import forget
from order_assets.crawl.forget import Forgotten
from order_assets.defs.automation import sync_partitions
from order_assets.defs.raw.order_pages import KTSP_PAGES, SCALEV_PAGES
from order_assets.settings import state_folder
from order_assets.warehouse.dagster_history import redacted
from order_assets_tests.defs.conftest import Installation
from order_assets_tests.defs.test_raw import colours
from order_assets_tests.test_cli import dump


def _forget(stored: Installation, key: str) -> Forgotten:
    source = "ktsp" if key.startswith("ktsp/") else "scalev"
    return forget.forget(stored.engine, runtime.open_settings(), source, key)  # type: ignore[arg-type]  # one of two


def _shown_in_a_check(stored: Installation) -> str:
    """Return an account of which an order is an example in a check's result."""
    return str(
        stored.scalar(
            "select l.partition_key from ops.order_lineage as l where exists (select from"
            " dagster.asset_check_executions as c where strpos(c.evaluation_event, l.order_key) > 0)"
            " order by 1 limit 1"
        )
    )


def test_nothing_of_a_person_is_left_in_dagster(stored: Installation) -> None:
    """Without it, Dagster would go on showing a person who was erased: what they bought, when, how often."""
    member, *others = [each.account for each in stored.sandbox.world.members]
    stored.sandbox.set_fault(member, "member_not_found")
    chosen: dict[str, object] = {"ops": {"crawl_ktsp": {"config": {"accounts": [member, *others]}}}}
    stored.run("refresh_orders", config=chosen)
    stored.sandbox.clear_faults()
    with stored.engine.connect() as connection:
        sync_partitions(stored.instance, connection)
    stored.materialize(KTSP_PAGES, member, member, tags={"note": f"for {member}"})
    stored.run("refresh_orders")
    stored.run("load_facts")
    logs = state_folder() / "dagster" / "logs" / "sensor"
    logs.mkdir(parents=True)
    (logs / "tick.err").write_text(f"ktsp, member_not_found: {member}, {others[0]} \udc80\n", errors="surrogateescape")
    customer = _shown_in_a_check(stored)
    with stored.engine.connect() as connection:
        query = sa.text(
            "select order_key from ops.order_lineage where partition_key = any(:keys) union all"
            " select customer_key from ops.accounts where partition_key = any(:keys) and customer_key is not null"
        )
        hashes = list(connection.execute(query, {"keys": [member, customer]}).scalars())
    assert len(hashes) > 2
    before = dump(stored.engine)
    assert all(before.count(key) > 3 for key in (member, customer))
    raw = {**colours(stored, KTSP_PAGES), **colours(stored, SCALEV_PAGES)}

    rows = _forget(stored, member).dagster_rows
    assert rows is not None
    assert rows > 3
    _forget(stored, customer)
    assert _mentions(stored, [member, customer, *hashes]) == {"ops.accounts": 2}, "not to be crawled again"
    assert (logs / "tick.err").read_text(errors="surrogateescape") == (
        f"ktsp, member_not_found: forgotten, {others[0]} \udc80\n"
    )
    after = {**colours(stored, KTSP_PAGES), **colours(stored, SCALEV_PAGES)}
    assert after == {key: colour for key, colour in raw.items() if key not in {member, customer}}
    for definition, key in (("ktsp_members", member), ("scalev_customers", customer)):
        stored.instance.delete_dynamic_partition(definition, key)  # who looks at colours in a test adds it
    for run in stored.instance.get_runs():
        assert stored.instance.all_logs(run.run_id), "every event can still be read"

    assert stored.run("refresh_orders").success
    assert stored.run("load_facts").success
    with stored.engine.connect() as connection:
        assert sync_partitions(stored.instance, connection) == 0
    assert _mentions(stored, [member, customer, *hashes]) == {"ops.accounts": 2}, "a later crawl brings nobody back"
    assert _forget(stored, member).dagster_rows == 0, "twice is once"


def _mentions(stored: Installation, needles: list[str]) -> dict[str, int]:
    """Return how many rows of which table mention any of the texts."""
    found = {}
    with stored.engine.connect() as connection:
        tables = connection.execute(
            sa.text(
                "select format('%I.%I', schemaname, tablename) from pg_tables"
                " where schemaname in ('marts', 'ops', 'raw', 'dagster')"
            )
        ).scalars()
        for table in tables.all():
            query = f"select count(*) from {table} as t where t::text like any(:needles)"  # noqa: S608 - names of the catalogue
            count = connection.execute(sa.text(query), {"needles": [f"%{needle}%" for needle in needles]}).scalar_one()
            if count:
                found[str(table)] = int(count)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"partition": "s/c-1"}', '{"partition": "forgotten"}'),
        ("s/c-1, s/c-10 and s/c-1.", "forgotten, s/c-10 and forgotten."),
        ("s/c-1.x xs/c-1 s/c-1/x s/c-1-x", "s/c-1.x xs/c-1 s/c-1/x s/c-1-x"),
        (json.dumps(json.dumps(["s/c-1"])), json.dumps(json.dumps(["forgotten"]))),
        ("Oldest:%20s/c-1,%202026", "Oldest:%20forgotten,%202026"),  # a picture within an event
        (f"{'a' * 64} {'b' * 64}", f"forgotten {'b' * 64}"),
    ],
)
def test_only_whole_keys_are_reworded(text: str, expected: str) -> None:
    """Without it, forgetting member 1 would erase the history of member 10 as well."""
    assert redacted(text, ["s/c-1"], frozenset({"a" * 64})) == expected


def test_names_are_found_however_json_writes_them() -> None:
    """Without it, somebody with an accent in the account's name could not be forgotten."""
    text = json.dumps({"a": "s/zoë", "b": json.dumps("s/zoë"), "c": f"x%20{quote('s/zoë')}%20"})
    assert "zo" not in redacted(text, ["s/zoë"])

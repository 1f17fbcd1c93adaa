"""`order-assets replay | explain | restatements | forget` as a user types it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.warehouse import roles
from order_assets_tests import test_cli
from order_assets_tests.test_cli import SMALL, Command
from order_assets_tests.warehouse.logins import login

command = test_cli.command


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A server of its own: these tests change the world."""
    with serve(SMALL) as running:
        yield running


def _do(command: Command, statement: str) -> None:
    with command.engine.begin() as connection:
        connection.execute(sa.text(statement))


def test_from_a_changed_policy_to_a_forgotten_member(command: Command) -> None:
    """Without it, the parts could each work and the commands still not be usable one after another."""
    assert command("run").returncode == 0
    assert json.loads(command("restatements", "--json").stdout) == []
    file = command.accounts_file
    file.write_text(file.read_text(encoding="utf-8") + '\n[policy]\nrecognition = "placed"\n', encoding="utf-8")

    done = command("replay", "--json")
    assert done.returncode == 0, done.stderr
    assert "order-assets replay" in done.stderr, "the warning about other rules, for the last time"
    counts = json.loads(done.stdout)
    assert f"replay: {counts['crawls']} of {counts['crawls']} crawls derived" in done.stderr
    assert counts["changed"] > 0
    assert counts["restated"] > 0
    assert command.scalar("select count(*) from marts.order_facts where recognition_state = 'open'") == 0
    assert command.scalar("select count(*) from dagster.runs where pipeline_name = 'replay_marts'") == 1
    shown = command("restatements")
    assert "order-assets replay" not in shown.stderr
    assert "orders_recognised" in shown.stdout
    assert len(json.loads(command("restatements", "--json").stdout)) == counts["restated"]
    assert json.loads(command("restatements", "--since", "2999-01-01", "--json").stdout) == []
    assert command("replay", "--since", "2000-01-01").returncode == 0
    assert command("replay", "--since", "yesterday").returncode == 2

    member = command.sandbox.world.members[0].account
    code = str(command.sandbox.world.orders(member)[0]["orderCode"])
    explained = command("explain", code)
    assert explained.returncode == 0, explained.stderr
    for words in ("Rule: KTSP reports no status", "= payment", member, "body_sha256"):
        assert words in explained.stdout
    assert json.loads(command("explain", code, "--json").stdout)["lineage"]["account"] == member
    assert command("explain", "nothing").returncode == 2

    asked = command("forget", "--source", "ktsp", "--account", member)
    assert asked.returncode == 2
    assert "Nothing was erased" in asked.stderr
    forgotten = command("forget", "--source", "ktsp", "--account", member, "--yes", "--json")
    assert forgotten.returncode == 0, forgotten.stderr
    assert "delete it there as well" in forgotten.stderr
    assert json.loads(forgotten.stdout)["orders"] == len(command.sandbox.world.orders(member))
    assert command("explain", code).returncode == 2
    again = command("run", "--json")
    assert again.returncode == 0, again.stderr
    assert member not in {row["partition_key"] for row in json.loads(again.stdout)["accounts"]}
    assert command("explain", code).returncode == 2
    unknown = command("forget", "--source", "ktsp", "--account", "ktsp/NOBODY", "--yes")
    assert unknown.returncode == 2


def test_a_name_of_several_orders_lists_them(command: Command) -> None:
    """Without it, one of two orders of the same name would be explained as if it were the other."""
    assert command("run").returncode == 0
    _do(
        command,
        "update marts.order_facts set source_order_id = 'SAME' where order_key in"
        " (select min(order_key) from marts.order_facts group by source_system)",
    )
    done = command("explain", "SAME", "--json")
    assert done.returncode == 2
    assert len(json.loads(done.stdout)["ambiguous"]) == 2
    assert "give the order_key" in done.stderr


def test_a_writer_can_do_all_a_user_does(command: Command) -> None:
    """Without it, the processes would need the rights of the owner, who may drop every table."""
    done = command("db", "roles")
    assert done.returncode == 0, done.stderr
    assert roles.READER in done.stderr
    writer = {"ORDER_ASSETS_DATABASE_URL": login(command.engine, roles.WRITER)}
    done = command("run", **writer)
    assert done.returncode == 0, done.stderr
    key = command.sandbox.world.members[0].account
    done = command("forget", "--source", "ktsp", "--account", key, "--yes", **writer)
    assert done.returncode == 0, done.stderr
    report = Path(command.env["ORDER_ASSETS_STATE"]) / "report.html"
    assert key not in report.read_text(encoding="utf-8"), "it was written anew"
    owners = "select count(distinct tableowner) from pg_tables where schemaname in ('raw', 'ops', 'marts', 'dagster')"
    assert command.scalar(owners) == 1, "the writer made no table of its own"

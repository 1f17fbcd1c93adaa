"""What the command shows, and where: files, bars and lines, its own documentation."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from order_assets import cli_progress
from order_assets.cli_common import say
from order_assets.cli_doc import document
from order_assets.cli_progress import Shown, rate
from order_assets_tests import test_cli
from order_assets_tests.test_cli import ROOT, Command
from order_assets_tests.test_cli_init import converse

command = test_cli.command
sandbox = test_cli.sandbox


def test_the_documentation_is_that_of_the_command() -> None:
    """Without it, docs/cli.md would describe options that are gone."""
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == document()


def test_tables_become_files(command: Command, tmp_path: Path) -> None:
    """Without it, the export could work as a function and not as the command analysts type."""
    ran = command("run")
    assert ran.returncode == 0, ran.stderr
    assert "ktsp: 3 of 3 accounts crawled" in ran.stderr
    assert "scalev: 4 of 4 accounts crawled" in ran.stderr
    assert re.search(r"facts: (\d+) of \1 orders read", ran.stderr)
    out = tmp_path / "files"
    words = ("export", "revenue_by_day", "order_facts", "--currency", "IDR", "--out", str(out))
    done = command(*words, "--format", "parquet", "--json")
    assert done.returncode == 0, done.stderr
    written = {each["table"]: each for each in json.loads(done.stdout)}
    days = pq.read_table(written["revenue_by_day"]["file"])
    query = "select sum(net_sales_amount) from marts.revenue_daily where currency_code = 'IDR'"
    assert sum(days["net_sales"].to_pylist()) == command.scalar(query)
    assert written["order_facts"]["rows"] == command.scalar(
        "select count(*) from marts.order_facts where currency_code = 'IDR'"
    )

    piped = command("export", "revenue_by_day", "--out", "-")
    rows = list(csv.DictReader(io.StringIO(piped.stdout)))
    everything = command.scalar("select sum(net_sales_amount) from marts.revenue_daily")
    assert sum(Decimal(row["net_sales"] or 0) for row in rows) == everything

    everyone = command("export", "--all", "--out", str(tmp_path / "all"))
    assert everyone.returncode == 0, everyone.stderr
    world = command.sandbox.world
    customers = [customer for store in world.stores for customer in store.customers]
    people = [text for c in customers for text in (c.full_name, c.email, c.phone)]
    people += [member.account for member in world.members]
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "all").iterdir())
    assert len(text) > 1000
    assert [person for person in people if person in text] == []
    for wrong, message in (
        (("export",), "Name a table"),
        (("export", "revenue_by_dya"), "did you mean revenue_by_day"),
        (("export", "repeat_customers", "--since", "2026-01-01"), "cannot be selected by since"),
        (("export", "orders", "stores", "--out", "-"), "writes one table"),
        (("export", "orders", "--currency", "idr"), "ISO 4217"),
    ):
        refused = command(*wrong)
        assert (refused.returncode, message in refused.stderr) == (2, True), refused.stderr
        assert "Traceback" not in refused.stderr


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]")


def test_a_terminal_gets_bars_and_a_pipe_lines(command: Command) -> None:
    """Without it, a log would be full of control characters, or a person see nothing for an hour."""
    piped = command("accounts", "check")
    assert "check: 7 of 7 accounts checked" in piped.stderr
    assert "\x1b" not in piped.stdout + piped.stderr
    plain, code = converse(["accounts", "check"], {**command.env, "NO_COLOR": "1", "TERM": "xterm"}, [])
    assert code == 0
    assert re.search(r"check .*7/7 .*/s .*left", plain)
    assert not COLOUR.search(plain)
    coloured, _ = converse(["accounts", "check"], {**command.env, "TERM": "xterm-256color"}, [])
    assert COLOUR.search(coloured)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is said on a pipe."""
    said = io.StringIO()
    monkeypatch.setattr("order_assets.cli_common.err", Console(file=said, width=200))
    monkeypatch.setattr(cli_progress, "err", Console(file=said, width=200))
    return said


def test_lines_tell_rate_and_time_left(lines: io.StringIO) -> None:
    """Without it, nobody who reads a log would know whether to wait for minutes or for hours."""
    now = count()
    with Shown("accounts crawled", {"ktsp": 400, "scalev": 4}, clock=lambda: next(now) / 2) as shown:
        for _ in range(400):
            shown.advance("ktsp", note="3 not complete")
        for _ in range(4):
            shown.advance("scalev")
        say("done")
    assert lines.getvalue().splitlines() == [
        "ktsp: 100 of 400 accounts crawled, 2.0/s, about 2 min 30 s left, 3 not complete",
        "ktsp: 200 of 400 accounts crawled, 2.0/s, about 1 min 40 s left, 3 not complete",
        "ktsp: 300 of 400 accounts crawled, 2.0/s, about 50 s left, 3 not complete",
        "ktsp: 400 of 400 accounts crawled, 2.0/s, 3 not complete",
        "scalev: 1 of 4 accounts crawled",
        "scalev: 2 of 4 accounts crawled, 2.0/s, about 1 s left",
        "scalev: 3 of 4 accounts crawled, 2.0/s, about 0 s left",
        "scalev: 4 of 4 accounts crawled, 2.0/s",
        "done",
    ]


def test_what_is_counted_later_has_words_of_its_own(lines: io.StringIO) -> None:
    """Without it, a load of hours would say nothing, or count orders as accounts."""
    now = count()
    totals = {"ktsp": 1, "facts": None}
    with Shown("accounts crawled", totals, {"facts": "orders read"}, clock=lambda: next(now)) as shown:
        shown.advance("ktsp")
        shown.expect("facts", 9_000)
        shown.advance("facts", 4_000)
        shown.advance("facts", 9_000)
    assert lines.getvalue().splitlines() == [
        "ktsp: 1 of 1 accounts crawled, 1.0/s",
        "facts: 4,000 of 9,000 orders read, 4,000.0/s, about 1 s left",
        "facts: 9,000 of 9,000 orders read, 4,500.0/s",
    ]
    assert rate(0.05) == "3.0/min"


def test_tables_are_completed_by_the_shell(command: Command) -> None:
    """Without it, two dozen names would have to be typed in full."""
    env = {**command.env, "_ORDER_ASSETS_COMPLETE": "complete_bash", "COMP_WORDS": "order-assets export revenue_by_",
           "COMP_CWORD": "2"}  # fmt: skip
    program = Path(sys.executable).parent / "order-assets"
    done = subprocess.run([program], env=env, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.stdout.split() == ["revenue_by_day", "revenue_by_day_without_gaps", "revenue_by_month"]


def test_a_database_that_fails_on_the_way_is_said(command: Command) -> None:
    """Without it, a lost table would end in a traceback, with the rows of the statement in it."""
    assert command("accounts", "list").returncode == 0
    with command.engine.begin() as connection:
        connection.exec_driver_sql("alter table ops.restatements rename to gone")
    done = command("restatements")
    assert done.returncode == 1
    assert 'The database failed: relation "ops.restatements" does not exist' in done.stderr
    assert "order-assets doctor" in done.stderr
    assert "Traceback" not in done.stderr


def test_states_for_programs(command: Command, tmp_path: Path) -> None:
    """Without it, a script would have to read sentences to know what runs."""
    state = {"ORDER_ASSETS_STATE": str(tmp_path / "none"), "PATH": os.defpath}
    database = json.loads(command("db", "status", "--json", **state).stdout)
    assert (database["running"], database["is_used"]) == (False, False)
    assert json.loads(command("sandbox", "status", "--json", **state).stdout) == {"running": False}

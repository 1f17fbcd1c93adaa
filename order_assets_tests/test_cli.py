"""The command as a user types it: real processes, a real database, the sandbox over a socket."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec

ROOT = Path(__file__).resolve().parents[1]
SMALL = WorldSpec(seed=5, stores=1, customers_per_store=4, members=3, orders_per_account=5.0)
DEADLINE_SECONDS = 120


@dataclass
class Command:
    """`order-assets` in a user's environment."""

    env: dict[str, str]
    sandbox: RunningSandbox
    accounts_file: Path
    engine: sa.Engine
    more: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it to the end."""
        return subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "order_assets.cli", *words],
            cwd=ROOT, env={**self.env, **env}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start it and go on."""
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "order_assets.cli", *words],
            cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def scalar(self, query: str) -> object:
        """Return the only value of a query."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar_one()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """One server for the module."""
    with serve(SMALL) as running:
        yield running


@pytest.fixture
def command(sandbox: RunningSandbox, engine: sa.Engine, database_url: str, tmp_path: Path) -> Command:
    """The command, configured for the sandbox as if it were the real APIs, on a fresh database."""
    sandbox.clear_faults()
    sandbox.reset_requests()
    accounts_file = tmp_path / "accounts.toml"
    accounts_file.write_text(sandbox.accounts_toml(), encoding="utf-8")
    accounts_file.chmod(0o600)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ORDER_ASSETS_", "DAGSTER_"))}
    env |= {
        "ORDER_ASSETS_DATABASE_URL": database_url,
        "ORDER_ASSETS_ACCOUNTS": str(accounts_file),
        "ORDER_ASSETS_STATE": str(tmp_path / "state"),
    }
    return Command(env, sandbox, accounts_file, engine)


def test_run_does_the_whole_job_and_a_second_run_only_what_changed(command: Command) -> None:
    """The main job: every order of the source in the facts, revenue printed, and nothing rewritten by a second run."""
    done = command("run", "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    world = command.sandbox.world
    assert {account["partition_key"]: account["orders_seen"] for account in first["accounts"]} == {
        account: len(world.orders(account)) for account in world.accounts
    }
    assert {account["status"] for account in first["accounts"]} == {"complete"}
    orders = sum(len(world.orders(account)) for account in world.accounts)
    assert sum(account["orders_new"] for account in first["accounts"]) == orders
    assert {row["currency_code"] for row in first["revenue"]} == {"HKD", "IDR"}
    paid = command.scalar("select sum(payment_amount) from marts.order_facts where revenue_class = 'recognised'")
    assert sum(Decimal(row["payment_amount"]) for row in first["revenue"]) == paid

    versions = "select string_agg(f.xmin::text, ',' order by f.order_key) from marts.order_facts as f"
    before = command.scalar(versions)
    again = command("run")
    assert again.returncode == 0, again.stderr
    assert f"{len(world.accounts)} of {len(world.accounts)} accounts complete, 0 orders new, 0 changed" in again.stdout
    assert command.scalar(versions) == before
    assert all(account in again.stdout for account in world.accounts)  # names are never cut off
    runs = command.scalar("select count(*) from dagster.runs where status = 'SUCCESS'")
    assert runs == 6  # crawl, facts, months and what has no period; then crawl and facts


def test_one_bad_credential_ends_with_exit_code_3(command: Command) -> None:
    """The others are committed, the bad one is named with its reason, and only it is tried again."""
    bad = command.sandbox.world.accounts[1]
    command.sandbox.set_fault(bad, "token_expired")
    done = command("run")
    assert done.returncode == 3, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if bad in line]
    assert "failed" in line
    assert "token_expired" in line
    assert "order-assets run --failed-only" in done.stderr
    others = sum(len(command.sandbox.world.orders(a)) for a in command.sandbox.world.accounts if a != bad)
    assert command.scalar("select count(*) from marts.order_facts") == others

    command.sandbox.clear_faults()
    command.sandbox.reset_requests()
    assert command("run", "--failed-only").returncode == 0
    assert set(command.sandbox.requests()) == {bad}


def test_only_the_chosen_accounts_are_crawled(command: Command) -> None:
    """A person who asks for one account does not want to wait for thousands."""
    wanted = command.sandbox.world.accounts[0]
    assert command("run", "--account", wanted).returncode == 0
    assert set(command.sandbox.requests()) == {wanted}
    assert command("run", "--source", "ktsp").returncode == 0
    assert set(command.sandbox.requests()) == {wanted, *(m.account for m in command.sandbox.world.members)}


def test_a_failure_of_the_database_is_not_a_failure_of_accounts(command: Command) -> None:
    """A missing table must not read as '14 accounts are not complete', with the advice to try them again."""
    assert command("accounts", "list").returncode == 0  # makes the schemas
    with command.engine.begin() as connection:
        connection.execute(sa.text("alter table raw.order_pages rename to moved_away"))
    done = command("run")
    assert done.returncode == 1
    assert "refresh_orders failed" in done.stderr
    assert "UndefinedTable" in done.stderr
    assert "--failed-only" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sandbox_never_mixes_into_real_accounts(command: Command) -> None:
    """Without accounts.toml by mistake, demo orders would get into the sums of a finance team."""
    assert command("run").returncode == 0
    try:
        done = command("run", ORDER_ASSETS_ACCOUNTS="")
        assert done.returncode == 2
        assert "the sandbox must not mix into a database with" in done.stderr
        assert command.scalar("select count(*) from ops.accounts where state = 'retired' or origin = 'sandbox'") == 0
    finally:
        command("sandbox", "stop")


BROKEN_FILES: dict[str, tuple[Callable[[str], str], str]] = {
    "unknown key": (lambda text: text.replace("access_token", "acess_token", 1), "acess_token: unknown key"),
    "missing variable": (
        lambda text: re.sub(r'storefront_key = ".*"', 'storefront_key = { env = "NO_SUCH_KEY" }', text, count=1),
        "the environment variable NO_SUCH_KEY is not set",
    ),
    "wrong type": (lambda text: text.replace("page_size = 25", 'page_size = "many"'), "scalev.page_size"),
    "not TOML": (lambda text: text + "\n[[[", "not valid TOML"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_wrong_accounts_file_stops_before_any_request(command: Command, name: str) -> None:
    """Exit 2 with file, line and key; a half-read file must not crawl half of the accounts."""
    change, words = BROKEN_FILES[name]
    text = command.accounts_file.read_text(encoding="utf-8")
    command.accounts_file.write_text(change(text), encoding="utf-8")
    done = command("run")
    assert done.returncode == 2
    assert re.search(rf"{re.escape(str(command.accounts_file))}:\d+: ", done.stderr)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert command.sandbox.traffic()["total"] == 0


@pytest.mark.parametrize(
    ("words", "env", "message"),
    [
        (("run", "--source", "shopify"), {}, "--source shopify"),
        (("run", "--account", "nobody/c-9"), {}, "no such active account"),
        (("run", "--no-such-option"), {}, "No such option"),
        (
            ("run",),
            {"ORDER_ASSETS_ACCOUNTS": "/nowhere/accounts.toml"},
            "/nowhere/accounts.toml: no such accounts file",
        ),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(
    command: Command, words: tuple[str, ...], env: dict[str, str], message: str
) -> None:
    """A mistake in the call is told in a line, not in a traceback."""
    done = command(*words, **env)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_database_is_named_without_its_password(command: Command) -> None:
    """The message must help and must not print the password into a terminal or a CI log."""
    done = command("run", ORDER_ASSETS_DATABASE_URL="postgresql://someone:secret-canary@127.0.0.1:1/orders")
    assert done.returncode == 1
    assert "cannot connect to postgresql://127.0.0.1:1/orders" in done.stderr
    assert "secret-canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_of_a_newer_release_is_refused(command: Command) -> None:
    """Without it, an old release would write into tables that it does not understand, or end in a traceback."""
    with command.engine.begin() as connection:
        connection.execute(sa.text("update ops.alembic_version set version_num = '9999'"))
    done = command("run")
    assert done.returncode == 1
    assert "the database is at schema 9999, which this release does not know; install the newer release" in done.stderr
    assert "Traceback" not in done.stderr
    assert command.sandbox.requests() == {}


def dump(engine: sa.Engine) -> str:
    """Return every row of every table of the database as text."""
    with engine.connect() as connection:
        tables = connection.execute(
            sa.text(
                "select quote_ident(table_schema) || '.' || quote_ident(table_name) from information_schema.tables"
                " where table_schema in ('marts', 'ops', 'raw', 'dagster')"
            )
        ).scalars()
        parts = []
        for table in tables.all():
            rows = connection.execute(sa.text(f"select t::text from {table} as t")).scalars()  # noqa: S608 - names from the catalogue
            parts += [str(row) for row in rows]
    return "\n".join(parts)


def test_ctrl_c_stops_cleanly_and_keeps_what_was_committed(command: Command) -> None:
    """A stop leaves no crawl open, says so, and the next run completes everything."""
    account = command.sandbox.world.accounts[0]
    command.sandbox.set_fault(account, "slow:seconds=600")
    process = command.start("run")
    wait_until(lambda: account in command.sandbox.requests())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 1, err
    assert "Stopped. What was committed stays" in err
    assert "Traceback" not in out + err
    assert command.scalar("select count(*) from ops.crawls where status = 'running'") == 0
    assert command.scalar("select count(*) from dagster.runs where status = 'CANCELED'") == 1
    command.sandbox.clear_faults()
    assert command("run").returncode == 0


def test_accounts_are_listed_with_their_verdicts(command: Command) -> None:
    """The first question after a red run: which accounts, and why."""
    before = json.loads(command("accounts", "list", "--json").stdout)
    assert {row["status"] for row in before} == {None}
    command("run")
    listed = command("accounts", "list")
    assert listed.returncode == 0
    assert all(account in listed.stdout for account in command.sandbox.world.accounts)
    assert {row["status"] for row in json.loads(command("accounts", "list", "--json").stdout)} == {"complete"}


def test_dev_serves_the_ui_over_the_same_data_until_it_is_stopped(command: Command) -> None:
    """`make dev`: the UI answers, knows the assets and their runs, prints nothing alarming, and stops on request."""
    assert command("run").returncode == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = command.start("dev", "--port", str(port))
    try:
        assert process.stderr is not None
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert lines[1] == f"The Dagster UI is at http://127.0.0.1:{port} (Ctrl-C stops it)\n", lines
        query = (
            '{assetNodeOrError(assetKey: {path: ["raw", "ktsp_order_pages"]}) {... on AssetNode {groupName'
            " partitionStats {numMaterialized numFailed}}} runsOrError {... on Runs {results {jobName status}}}}"
        )
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql",
            data=json.dumps({"query": query}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:  # noqa: S310 - loopback
            data = json.load(answer)["data"]
        members = len(command.sandbox.world.members)
        assert data["assetNodeOrError"] == {
            "groupName": "ktsp",
            "partitionStats": {"numMaterialized": members, "numFailed": 0},
        }
        assert {"jobName": "refresh_orders", "status": "SUCCESS"} in data["runsOrError"]["results"]
        with pytest.raises(OSError, match=r"refused|unreachable|assign"):  # a UI for the whole network would answer
            socket.create_connection(("127.0.0.2", port))
        taken = command("dev", "--port", str(port))
        assert (taken.returncode, "is taken" in taken.stderr) == (2, True)
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert "Traceback" not in out + err
    assert "WARNING" not in out + err


def test_a_program_gets_the_environment_of_dagsters_processes(command: Command, tmp_path: Path) -> None:
    """Workers and daemons are started by it: without DAGSTER_HOME as it was set, they would run as on one machine."""
    show = "import os; print(os.environ['DAGSTER_HOME'], os.environ['ORDER_ASSETS_DAGSTER_URL'].partition(':')[0])"
    found = command("exec", "python", "-c", show, DAGSTER_HOME=str(tmp_path))
    assert (found.returncode, found.stdout) == (0, f"{tmp_path} postgresql+psycopg2\n"), found.stderr
    assert command("exec", "python", "-c", show).stdout.startswith(f"{ROOT} ")
    wrong = command("exec", "no-such-program")
    assert (wrong.returncode, wrong.stderr) == (2, "Cannot run no-such-program: No such file or directory\n")
    assert "Name a program" in command("exec").stderr


def test_the_parts_start_and_stop(command: Command, tmp_path: Path) -> None:
    """Without any configuration the embedded server and the sandbox come up, are found again, and stop."""
    state = tmp_path / "open"
    state.mkdir(mode=0o755)
    env = {"ORDER_ASSETS_STATE": str(state), "ORDER_ASSETS_ACCOUNTS": "", "ORDER_ASSETS_DATABASE_URL": ""}
    try:
        url = command("db", "url", **env).stdout.strip()
        assert sa.make_url(url).database == "order_assets_sandbox"  # kept apart from real accounts' orders
        assert "runs on 127.0.0.1" in command("db", "status", **env).stderr
        served = command("sandbox", "serve", **env)
        address = re.search(r"http://127\.0\.0\.1:\d+", served.stderr)
        assert address is not None
        assert address[0] in command("sandbox", "status", **env).stderr
        listed = json.loads(command("accounts", "list", "--json", **env).stdout)
        assert len(listed) == 180
    finally:
        assert "stopped" in command("sandbox", "stop", **env).stderr
        assert "stopped" in command("db", "stop", **env).stderr
    assert "is not running" in command("db", "status", **env).stderr
    assert "is not running" in command("sandbox", "status", **env).stderr


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds; fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)

"""`order-assets accounts` as a user types it: real processes, a real database, the sandbox over a socket."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets_tests.test_cli import DEADLINE_SECONDS, SMALL, Command, dump, wait_until


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """One server for the module."""
    with serve(SMALL) as running:
        yield running


@pytest.fixture
def command(sandbox: RunningSandbox, engine: sa.Engine, database_url: str, tmp_path: Path) -> Command:
    """The command with an accounts file that has nobody in it, on a fresh database."""
    sandbox.clear_faults()
    sandbox.reset_requests()
    accounts_file = tmp_path / "accounts.toml"
    pace = "requests_per_second = 500.0"
    accounts_file.write_text(
        f'[scalev]\nbase_url = "{sandbox.base_url}"\n{pace}\n[ktsp]\n{pace}\n[crawl]\npatience_seconds = 5.0\n',
        encoding="utf-8",
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ORDER_ASSETS_", "DAGSTER_"))}
    env |= {
        "ORDER_ASSETS_DATABASE_URL": database_url,
        "ORDER_ASSETS_ACCOUNTS": str(accounts_file),
        "ORDER_ASSETS_STATE": str(tmp_path / "state"),
    }
    return Command(env, sandbox, accounts_file, engine)


def _import_everybody(command: Command) -> str:
    """Import the sandbox's accounts and return the text of their file."""
    text = command.sandbox.accounts_toml()
    more = command.accounts_file.with_name("more.toml")
    more.write_text(text, encoding="utf-8")
    more.chmod(0o600)
    done = command("accounts", "import", str(more), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"added": 7, "changed": 0, "unchanged": 0, "sources": 2}
    return text


def _listed(command: Command, *words: str) -> dict[str, dict[str, object]]:
    done = command("accounts", "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    return {row["partition_key"]: row for row in json.loads(done.stdout)}


def test_accounts_are_imported_checked_listed_and_retired(command: Command) -> None:
    """Without it, the parts could each work and the commands still not be usable one after another."""
    _import_everybody(command)
    first, second, *_ = command.sandbox.world.accounts
    checked = command("accounts", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "7 valid" in checked.stdout
    assert "7 of 7 accounts checked" in checked.stderr
    assert {row["origin"] for row in _listed(command).values()} == {"import"}

    command.sandbox.set_fault(second, "rate_limited:retry_after=17")
    checked = command("accounts", "check", "--account", first, "--account", second, "--json")
    assert checked.returncode == 3
    assert "1 of 2 accounts need attention." in checked.stderr
    found = {row["partition_key"]: row for row in json.loads(checked.stdout)}
    assert {key: (row["outcome"], row["next_step"]) for key, row in found.items()} == {
        first: ("valid", None),
        second: ("rate_limited", "wait 17 s"),
    }

    retired = command("accounts", "retire", first, "--json")
    assert json.loads(retired.stdout) == {
        "source_system": "scalev", "partition_key": first, "state_before": "active", "state": "retired",
    }  # fmt: skip
    assert set(_listed(command, "--state", "retired")) == {first}
    assert "retired by command" in command("accounts", "list").stdout
    assert first not in {row["partition_key"] for row in json.loads(command("accounts", "check", "--json").stdout)}
    assert "is crawled again" in command("accounts", "retire", first, "--undo").stderr
    assert "is not retired" in command("accounts", "retire", first, "--undo").stderr
    assert _listed(command, "--state", "retired") == {}


def test_an_api_is_probed_with_one_account(command: Command) -> None:
    """Without it, a surprise of the API could end in exit code 0, or a misspelt account in a stack trace."""
    _import_everybody(command)
    account = command.sandbox.world.accounts[0]
    sound = command("accounts", "probe", account, "--json")
    assert sound.returncode == 0, sound.stderr
    assert {answer["question"] for answer in json.loads(sound.stdout)} >= {"orders come newest first"}
    command.sandbox.set_fault(account, "new_fields")
    odd = command("accounts", "probe", account)
    assert (odd.returncode, "differs" in odd.stdout, "loyalty_tier" in odd.stdout) == (3, True, True), odd.stderr
    command.sandbox.set_fault(account, "token_expired")
    refused = command("accounts", "probe", account)
    assert (refused.returncode, f"accounts check --account {account}" in refused.stderr) == (1, True)
    unknown = command("accounts", "probe", f"{account}x")
    assert (unknown.returncode, f"did you mean {account}" in unknown.stderr) == (2, True), unknown.stderr


def test_a_csv_can_be_imported_twice(command: Command, tmp_path: Path) -> None:
    """Without it, the summary of an import could say something else than what was done."""
    more = tmp_path / "more.csv"
    more.write_text("source,account,name,access_token\nscalev,s,c-1,env:C1_ACCESS\n", encoding="utf-8")
    first = command("accounts", "import", str(more), C1_ACCESS="t")
    assert first.returncode == 0, first.stderr
    assert "1 accounts added, 0 changed, 0 unchanged. Stores and programmes written: 1." in first.stderr
    again = command("accounts", "import", str(more), C1_ACCESS="t")
    assert "0 accounts added, 0 changed, 1 unchanged. See" in again.stderr


def test_the_help_of_import_explains_the_csv(command: Command) -> None:
    """Without it, a user would have to read the source to write the file."""
    text = command("accounts", "import", "--help", COLUMNS="100").stdout
    for line in (
        "source,account,name,access_token,refresh_token,storefront_key",
        "scalev,store_A,c-001,eyJhbGci...,eyJhbGci...,env:STORE_A_KEY",
        "token          KTSP; only for a member with a token of its own",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("import", "nowhere.csv"), "nowhere.csv: cannot read the file: No such file or directory"),
        (("import", "accounts.xlsx"), "add --format toml or --format csv"),
        (("import", "more.csv", "--format", "xml"), "Invalid value for '--format'"),
        (("retire", "store/nobody"), "there is no account store/nobody; see: order-assets accounts list"),
        (("check", "--account", "store/nobody"), "there is no account store/nobody"),
        (("check", "--source", "shopify"), "Invalid value for '--source'"),
        (("list", "--state", "asleep"), "Invalid value for '--state'"),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(command: Command, words: tuple[str, ...], message: str) -> None:
    """Without it, a slip in the call would end in a traceback, or look like success."""
    done = command("accounts", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert message in done.stderr


def test_a_near_miss_is_answered_with_the_right_key(command: Command) -> None:
    """Without it, one would have to look through a list of thousands for a slip of the finger."""
    _import_everybody(command)
    key = command.sandbox.world.accounts[0]
    done = command("accounts", "retire", key.replace("-", ""))
    assert done.returncode == 2
    assert f"did you mean {key}" in done.stderr
    command("accounts", "retire", key)
    done = command("accounts", "check", "--account", key)
    assert done.returncode == 2
    assert f"{key} is retired; bring it back with: order-assets accounts retire {key} --undo" in done.stderr


def test_accounts_of_the_file_are_not_imported(command: Command, tmp_path: Path) -> None:
    """Without it, an account could have two sets of tokens, and nobody know which one is sent."""
    command.accounts_file.write_text(command.sandbox.accounts_toml(), encoding="utf-8")
    command.accounts_file.chmod(0o600)
    member = command.sandbox.world.members[0].account
    more = tmp_path / "more.csv"
    more.write_text(f"source,account,name\nktsp,{member.replace('/', ',')}\n", encoding="utf-8")
    done = command("accounts", "import", str(more))
    assert done.returncode == 2
    assert f"{more}:2: the account {member} is configured in {command.accounts_file} as well" in done.stderr
    assert command.scalar("select count(*) from ops.accounts") == 0


def test_nothing_is_imported_into_the_sandbox(command: Command, tmp_path: Path) -> None:
    """Without it, real customers' orders would be added up with invented ones."""
    (tmp_path / "dagster.yaml").touch()
    done = command("accounts", "import", "more.csv", ORDER_ASSETS_ACCOUNTS="")
    assert done.returncode == 2
    assert "imported accounts would mix with those of the sandbox" in done.stderr
    assert "accounts.toml first; it may be empty" in done.stderr


def test_an_expired_account_that_renews_itself_is_in_order(command: Command) -> None:
    """Without it, a nightly check would raise an alarm for every token, each of which lives 15 minutes."""
    _import_everybody(command)
    customer = command.sandbox.world.accounts[0]
    command.sandbox.set_fault(customer, "token_expired")
    done = command("accounts", "check")
    assert done.returncode == 0, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if customer in line]
    assert re.search(r"expired +renewable", line)
    assert sum(command.sandbox.traffic()["refreshes"].values()) == 0
    member = command.sandbox.world.members[0].account
    command.sandbox.set_fault(member, "member_not_found")
    done = command("accounts", "check", "--source", "ktsp")
    assert done.returncode == 3
    assert "not_found" in done.stdout
    assert customer not in done.stdout


def test_tokens_appear_in_no_output_and_nowhere_in_the_database(command: Command) -> None:
    """Without it, a token could be read in a terminal, a CI log or a backup of the database."""
    text = _import_everybody(command)
    secrets = re.findall(r'(?:token|key|secret) = "(.+)"', text)
    assert len(secrets) > 8
    broken = command.accounts_file.with_name("broken.toml")
    broken.write_text(text + '\n[[ktsp.programmes.members]]\nmember_id = "two words"\n', encoding="utf-8")
    command.sandbox.set_fault(command.sandbox.world.accounts[0], "token_expired")
    command.sandbox.set_fault(command.sandbox.world.accounts[1], "bad_envelope")
    shown = ""
    for words in (
        ("import", str(command.accounts_file.with_name("more.toml"))),
        ("import", str(broken)),
        ("check",),
        ("check", "--json"),
        ("list",),
        ("list", "--json"),
    ):
        done = command("accounts", *words)
        shown += done.stdout + done.stderr
    dumped = dump(command.engine)
    assert "two words" not in dumped
    assert command.sandbox.world.accounts[0] in shown
    assert command.sandbox.world.accounts[0] in dumped
    assert not [secret for secret in secrets if secret in shown + dumped]


def test_a_key_that_is_missing_is_named(command: Command) -> None:
    """Without it, a rotated key would end in a traceback that says nothing of the remedy."""
    _import_everybody(command)
    done = command("accounts", "check", ORDER_ASSETS_ENCRYPTION_KEY="b" * 43 + "=")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "ORDER_ASSETS_ENCRYPTION_KEY" in done.stderr


def test_ctrl_c_stops_a_check(command: Command) -> None:
    """Without it, a check of thousands could only be killed."""
    _import_everybody(command)
    account = command.sandbox.world.accounts[0]
    command.sandbox.set_fault(account, "slow:seconds=600")
    process = command.start("accounts", "check")
    wait_until(lambda: account in command.sandbox.requests())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, "Traceback" in out + err) == (1, False), err
    assert "Stopped. Nothing was changed." in err

"""`order-assets init`: from nothing to an accounts file that works, by answering or by options."""

from __future__ import annotations

import os
import pty
import re
import sys
import tomllib
from pathlib import Path

import pytest

from order_assets.accounts_file import SettingsError, parse_accounts
from order_assets.initial_file import Table, quoted, render, secret
from order_assets_tests import test_cli
from order_assets_tests.test_cli import ROOT, Command

command = test_cli.command
sandbox = test_cli.sandbox


def _secrets(command: Command) -> dict[str, str]:
    """Return what the first store, its first customer and the programme sign in with."""
    file = tomllib.loads(command.sandbox.accounts_toml())
    store, programme = file["scalev"]["stores"][0], file["ktsp"]["programmes"][0]
    customer = store["customers"][0]
    return {
        "STORE": store["store_id"], "KEY": store["storefront_key"], "CUSTOMER": customer["name"],
        "ACCESS": customer["access_token"], "REFRESH": customer["refresh_token"], "URL": file["scalev"]["base_url"],
        "PROGRAMME": programme["name"], "KTSP_URL": programme["base_url"], "APP_KEY": programme["app_key"],
        "ANOTHER": store["customers"][1]["access_token"], "APP_SECRET": programme["app_secret"],
        "MEMBER": programme["members"][0]["member_id"],
    }  # fmt: skip


def test_by_options_the_file_works_at_once(command: Command, tmp_path: Path) -> None:
    """Without it, a script could write a file whose accounts cannot be crawled, or that others may read."""
    found, out = _secrets(command), tmp_path / "new" / "accounts.toml"
    (tmp_path / "app_secret").write_text(found["APP_SECRET"], encoding="utf-8")
    words = (
        "init", "--out", str(out), "--store", found["STORE"], "--storefront-key", "env:T_KEY",
        "--scalev-url", found["URL"], "--customer", f"{found['CUSTOMER']}=env:T_ACCESS,env:T_REFRESH",
        "--programme", found["PROGRAMME"], "--ktsp-url", found["KTSP_URL"], "--app-key", "env:T_APP_KEY",
        "--app-secret", f"file:{tmp_path / 'app_secret'}", "--member", found["MEMBER"],
    )  # fmt: skip
    env = {"T_" + name: value for name, value in found.items()}
    done = command(*words, **env)
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    assert out.stat().st_mode & 0o777 == 0o600
    assert found["ACCESS"] not in text
    assert "#requests_per_second" in text, "the settings are explained in the file"
    assert "[policy]" in text
    checked = command("accounts", "check", **env, ORDER_ASSETS_ACCOUNTS=str(out))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 valid" in checked.stdout
    again = command(*words, **env)
    assert (again.returncode, "there is an accounts file already" in again.stderr) == (2, True)
    assert out.read_text(encoding="utf-8") == text


def test_by_asking_tokens_are_not_shown(command: Command, tmp_path: Path) -> None:
    """Without it, a token would stay in the scroll-back of a terminal, or a wrong answer end it all."""
    found, out = _secrets(command), tmp_path / "accounts.toml.new"
    answers = [
        ("Scalev store?", "y"), ("Address of the API", found["URL"]), ("unique_id", "not a name"),
        ("unique_id", found["STORE"]), ("time zone", "Asia/Nowhere"), ("time zone", ""), ("currency", ""),
        ("Storefront key", found["KEY"]), ("name for a customer", found["CUSTOMER"]),
        ("Access token", "env:NO_SUCH_VARIABLE"), ("Access token", found["ACCESS"]), ("Refresh token", ""),
        ("Another customer", "y"), ("name for a customer", found["CUSTOMER"]), ("name for a customer", "c-2"),
        ("Access token", found["ANOTHER"]), ("Refresh token", ""), ("Another customer", "n"), ("Another store", "n"),
        ("KTSP programme?", "y"), ("name for the programme", found["PROGRAMME"]),
        ("Address of the API", found["KTSP_URL"]), ("App key", found["APP_KEY"]),
        ("App secret", found["APP_SECRET"]), ("time zone", ""), ("currency", ""), ("member_id", found["MEMBER"]),
        ("Another member", ""),
    ]  # fmt: skip
    shown, code = converse(["init", "--out", str(out)], {**command.env, "NO_COLOR": "1"}, answers)
    assert code == 0, shown
    assert [name for name in ("KEY", "ACCESS", "ANOTHER", "APP_KEY", "APP_SECRET") if found[name] in shown] == []
    assert "is not an IANA time zone" in shown
    assert out.stat().st_mode & 0o777 == 0o600
    parsed = parse_accounts(out.read_text(encoding="utf-8"), "it")
    assert parsed.scalev.stores[0].customers[0].access_token.get_secret_value() == found["ACCESS"]
    assert parsed.scalev.stores[0].time_zone == "Asia/Jakarta"
    checked = command("accounts", "check", ORDER_ASSETS_ACCOUNTS=str(out))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def converse(words: list[str], env: dict[str, str], answers: list[tuple[str, str]]) -> tuple[str, int]:
    """Run the command on a terminal of its own; answer each question when it is asked."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, "-m", "order_assets.cli", *words], env)  # noqa: S606 - our own
    shown, seen = b"", 0
    left = list(answers)
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
        if left and re.search(re.escape(left[0][0]).encode() + rb"[^\n]*: $", shown[seen:]):
            seen = len(shown)
            os.write(terminal, left.pop(0)[1].encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert left == [], shown.decode()
    return shown.decode(), os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--store", "a", "--customer", "c=eyJsecret-canary"), "a secret on the command line can be seen by others"),
        (("--store", "a", "--customer", "c=env:NO_SUCH_VARIABLE"), "the environment variable NO_SUCH_VARIABLE"),
        (("--store", "a b"), "without spaces"),
        (("--programme", "k"), "needs --ktsp-url"),
        ((), "no terminal to ask on"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    command: Command, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    """Without it, a half-made file would be found by the next command, or a secret land in a shell's history."""
    out = tmp_path / "new.toml"
    done = command("init", "--out", str(out), *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "secret-canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_any_token_survives_the_way_through_the_file() -> None:
    """Without it, a token with a quote or a backslash would be cut or refuse the file."""
    for token in ('a"b\\c', "ü\u2028\x7f", "plain", "env:", "tab\there"):
        table = Table("[[scalev.stores.customers]]", {"name": quoted("c"), "access_token": secret(token)})
        tables = [Table("[scalev]", {}), Table("[[scalev.stores]]", {"store_id": quoted("a")}), table]
        (store,) = parse_accounts(render(tables), "it").scalev.stores
        assert store.customers[0].access_token.get_secret_value() == token
    with pytest.raises(SettingsError, match="store_id"):
        render([Table("[scalev]", {}), Table("[[scalev.stores]]", {"store_id": quoted("a/b")})])

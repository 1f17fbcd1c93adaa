"""Canaries: what is secret or personal goes in everywhere, and must come out nowhere.

One run of the real command with everything planted, then a search through all that it left behind, encrypted columns
included. What single parts do with secrets in their errors is tested beside them.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets_tests import test_cli
from order_assets_tests.test_cli import SMALL, Command, dump

command = test_cli.command
PERSONAL = frozenset({
    "secret_slug", "public_order_url", "payment_url", "email", "phone", "address", "subdistrict", "postal_code", "by",
    "account_holder", "account_number", "payment_account_holder", "payment_account_number", "transferproof_url",
    "pg_payment_info", "notes",
})  # fmt: skip
"""Fields of an order that are stored nowhere but in the encrypted page (model.md 2.4)."""
WORDS = "canary-4111111111111111 budi.canary@example.com +62 812 5550 1234"


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A server of its own: canaries are planted in its world."""
    with serve(SMALL) as running:
        yield running


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _personal(value: Any) -> Iterator[str]:
    """Yield the texts below personal fields of an order."""
    if isinstance(value, list):
        for each in value:
            yield from _personal(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _strings(each) if name in PERSONAL else _personal(each)


def _planted(command: Command) -> set[str]:
    """Plant what the sandbox does not send by itself; return every text that must not be seen again."""
    world = command.sandbox.world
    for account in world.accounts:
        for order in world.orders(account)[:2]:
            name = order.get("order_id") or order["orderCode"]
            world.change_order(account, name, {
                "notes": WORDS,
                "transferproof_url": "https://cdn.example/canary-proof.png",
                "payment_account_holder": "Canary Holder",
                "payment_account_number": "canary-7000123",
                "pg_payment_info": {"card": "canary-card", "va": {"number": "canary-va"}},
                "surprise": {"canary-field-value": WORDS},
                "member": {"name": "Canary Member", "budi.canary@example.com": "canary-value"},
            })  # fmt: skip
    scalev, members = world.stores[0].customers, world.members
    command.sandbox.set_fault(scalev[1].account, "html_error")
    command.sandbox.set_fault(scalev[2].account, "sign_in_needed")
    command.sandbox.set_fault(members[1].account, "api_error:code=77:message=canary-message")
    with command.accounts_file.open("a", encoding="utf-8") as file:
        file.write('\n[alerts]\nwebhook = "http://127.0.0.1:9/canary-hook"\n')
    people = {text for each in scalev for text in (each.full_name, each.email, each.phone, each.street)}
    document = command.accounts_file.read_text(encoding="utf-8")
    secrets = set(re.findall(r'(?:token|key|secret|webhook) = "(.+)"', document))
    secrets.add(str(sa.make_url(command.env["ORDER_ASSETS_DATABASE_URL"]).password))
    texts = {text for account in world.accounts for order in world.orders(account) for text in _personal(order)}
    long_enough = {text for text in people | secrets | texts if len(text) >= (8 if text.isdigit() else 6)}
    return long_enough | {"canary", "Canary Holder", "Canary Member", "canary-message", "5550 1234"}


def _left_behind(state: Path) -> Iterator[tuple[Path, bytes]]:
    for path in state.rglob("*"):
        if path.is_file() and path.parent.name != "keys":
            yield path, path.read_bytes()


def test_secrets_and_personal_data_stay_out_of_everything_readable(command: Command) -> None:
    """Tokens and people's data must not reach the terminal, Dagster's storage and logs, the ledger, marts or report."""
    canaries = _planted(command)
    assert len(canaries) > 60
    done = command("run")
    assert done.returncode == 3, done.stderr
    state = Path(command.env["ORDER_ASSETS_STATE"])
    keys = {path.read_text(encoding="utf-8") for path in (state / "keys").iterdir()}
    assert len(keys) == 2
    canaries |= keys
    information = command("dagster", "instance", "info")
    assert information.returncode == 0, information.stderr
    assert "PostgresRunStorage" in information.stdout
    dumped = dump(command.engine)
    assert command.sandbox.world.accounts[0] in dumped, "it is what is searched"
    shown = done.stdout + done.stderr + information.stdout + information.stderr + dumped
    assert {text for text in canaries if text in shown or text.encode().hex() in shown} == set()
    files = dict(_left_behind(state))
    assert any(path.name == "report.html" for path in files)
    assert {
        (path.name, text) for path, content in files.items() for text in canaries if text.encode() in content
    } == set()
    assert command.scalar("select count(*) from ops.unknown_fields where field like '%surprise%'") == 2


def test_what_a_run_leaves_is_private_to_its_owner(command: Command) -> None:
    """Without it, another user of the machine could read keys, logs or revenue."""
    before = os.umask(0o022)
    try:
        assert command("run", "--source", "ktsp").returncode == 0
    finally:
        os.umask(before)
    state = Path(command.env["ORDER_ASSETS_STATE"])
    reachable = [str(path.relative_to(state)) for path in _open_to_others(state)]
    assert reachable == []
    for key in (state / "keys").iterdir():
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def _open_to_others(folder: Path) -> Iterator[Path]:
    """Yield files that others can read, below folders they can enter."""
    for path in folder.iterdir():
        mode = path.stat().st_mode
        if path.is_dir():
            if mode & (stat.S_IXGRP | stat.S_IXOTH):
                yield from _open_to_others(path)
        elif mode & (stat.S_IRGRP | stat.S_IROTH):
            yield path

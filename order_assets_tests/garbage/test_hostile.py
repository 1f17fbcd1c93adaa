"""Hostile text in every text field of both sources, through the product as a user runs it.

The commands are real processes, the database is PostgreSQL, the API is the sandbox over a socket, the run is Dagster's.
What was sent must be in the facts as it was sent (but for what PostgreSQL cannot hold), and act nowhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa

from order_assets import cli_common
from order_assets.domain.columns import LONGEST_KEY
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets_tests import test_cli
from order_assets_tests.test_cli import Command

command = test_cli.command

SPEC = WorldSpec(seed=5, stores=1, customers_per_store=2, members=2, orders_per_account=16.0)
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
TEXTS: Mapping[str, str] = {
    "sql": "'; drop table marts.order_facts cascade; --",
    "html": "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"'",
    "markdown": "[x](javascript:alert(3)) ![y](http://evil.example/p.png) | `z` | **b**\n# h",
    "control": "a\x00b\x1b]0;title\x07\x1b[31mred\x1b[2J\x9b1A\r\n\t\x08c\x7f",
    "direction": "\u202egpj.exe\u2066\u200f\u2069\ufeff",
    "half": "\ud83d cut",
    "template": "{{ 7 * 7 }} {% raw %} %s %(a)s ${b} {0} :c $d$ [red]e[/red]",
    "copy": '\\N\\.\n\\.\t"a","b"\\',
    # Not to be compressed, and longer than an entry of an index may be; no digits, which could be a telephone number.
    "long": "".join(hashlib.sha256(bytes([n])).hexdigest().translate(_LETTERS) for n in range(256)),
}  # fmt: skip
_LINE = (
    "variant_sku", "product_name", "variant_option1_value", "variant_option2_value", "variant_option3_value",
    "item_type", "pricing_type", "interval",
)  # fmt: skip
_ORDER = (
    "awb_status", "shipment_status", "payment_method", "sub_payment_method", "discount_code_code", "other_income_name",
    "notes", "payment_url", "an_undocumented_field",
)  # fmt: skip


def _poisoned(order: Mapping[str, Any], name: str, text: str) -> dict[str, Any]:
    """Return the changes that put a text into every text field of a Scalev order that is not read as something else."""
    return {
        **dict.fromkeys(_ORDER, text),
        "order_id": f"hostile-{name}",
        "orderlines": [{**line, **dict.fromkeys(_LINE, text), "variant": None} for line in order["orderlines"] or []],
        "store": {**(order["store"] or {}), "name": text, text: text},
        "customer": {**(order["customer"] or {}), "name": text, "email": text, "phone": text, "status": text},
        "destination_address": {"province": text, "city": text, "address": text},
        "courier_service": {"code": text, "courier": {"code": text}},
        "status_history": [{"status": text, "at": order["created_at"], "by": text}],
    }


class _Twice(dict[str, Any]):
    """An object that is sent with each of its keys twice; the first time with another value."""

    def items(self) -> Any:
        """Return what is sent."""
        return [*((key, "first") for key in self), *super().items()]


def _misshapen(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes that are JSON, and nothing that anybody expects."""
    nested: list[Any] = []
    for _ in range(300):
        nested = [nested]
    return {
        "order_id": "hostile-shapes",
        "total_quantity": 10**30,
        "other_income_name": 10**40,
        "sub_payment_method": nested,
        "notes": {"nested": nested},
        "orderlines": [_Twice({**line, "variant_sku": "second"}) for line in order["orderlines"] or []],
    }


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A server of its own: its orders are poisoned, one with each text."""
    with serve(SPEC) as running:
        world = running.world
        account = max((a for a in world.accounts if not a.startswith("ktsp/")), key=lambda a: len(world.orders(a)))
        member = max((a for a in world.accounts if a.startswith("ktsp/")), key=lambda a: len(world.orders(a)))
        for order, (name, text) in zip(world.orders(account), TEXTS.items(), strict=False):
            world.change_order(account, order["order_id"], _poisoned(order, name, text))
        spare = next(order for order in world.orders(account)[len(TEXTS) :] if order["orderlines"])
        world.change_order(account, spare["order_id"], _misshapen(spare))
        for order, (name, text) in zip(world.orders(member), TEXTS.items(), strict=False):
            names = dict.fromkeys(("storeNameEn", "storeNameSc", "storeNameTc", "anUndocumentedField"), text)
            world.change_order(member, str(order["orderCode"]), {**names, "storeCode": f"S-{name}"})
        yield running


@pytest.fixture
def ran(command: Command) -> Command:
    """The command after its first run."""
    done = command("run")
    assert done.returncode == 0, done.stdout + done.stderr
    _is_inert(done.stdout + done.stderr)
    return command


_LOCAL = ("#", "data:image/png;base64,")
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _is_inert(shown: str) -> None:
    """Check that a text could be printed on a terminal or a page: only line feeds and tabs are no letters."""
    assert not (found := _ACTS.search(shown)), shown[max(0, found.start() - 80) : found.end() + 80]


def _stored(text: str) -> str:
    """Return a text as the facts hold it: PostgreSQL has no NUL, and half a letter is none."""
    return text.replace("\0", "\ufffd").replace("\ud83d", "\ufffd")


def _rows(command: Command, query: str) -> list[Mapping[str, Any]]:
    with command.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(query)).mappings()]


def test_hostile_text_is_stored_as_data_and_acts_nowhere(ran: Command) -> None:
    """Without it, whoever places an order could spoil facts, or have the UI, the report or a terminal do their will."""
    world = ran.sandbox.world
    _check_facts(ran)
    assert ran.scalar("select count(*) from marts.order_facts") == sum(len(world.orders(a)) for a in world.accounts)
    _check_report((Path(ran.env["ORDER_ASSETS_STATE"]) / "report.html").read_text(encoding="utf-8"))
    _check_dagster(_rows(ran, "select event from dagster.event_logs"))

    explained = ran("explain", "hostile-control")
    assert explained.returncode == 0, explained.stderr
    _is_inert(explained.stdout + explained.stderr)
    assert "a\ufffdb\\x1b]0;title\\x07\\x1b[31mred" in explained.stdout, "written out, so that a person can see it"

    again = json.loads(ran("run", "--json").stdout)
    assert [(row["orders_new"], row["orders_changed"]) for row in again["accounts"]] == [(0, 0)] * len(world.accounts)


def _check_facts(ran: Command) -> None:
    facts = {row["source_order_id"]: row for row in _rows(ran, "select * from marts.order_facts")}
    lines = {row["order_key"]: row for row in _rows(ran, "select * from marts.order_line_facts")}
    raw_codes = {row["order_key"]: row for row in _rows(ran, "select * from marts.discount_facts")}
    stores = {row["source_store_id"]: row for row in _rows(ran, "select * from marts.dim_store")}
    for name, text in TEXTS.items():
        fact, sent = facts[f"hostile-{name}"], _stored(text)
        kept = sent.strip()
        assert [fact["sub_payment_method"], fact["other_income_name"], fact["courier_code"]] == [kept] * 3
        line = lines[fact["order_key"]]
        assert [line[field] for field in ("sku", "product_name", "option1", "item_type")] == [kept] * 4
        assert fact["order_key"] not in raw_codes or raw_codes[fact["order_key"]]["discount_code_raw"] in {None, sent}
        assert stores[f"S-{name}"]["name_en"] == kept
        if name != "long":
            assert (fact["discount_code"], fact["payment_method"]) == (kept.upper(), kept.lower())
    cut = facts["hostile-long"]["discount_code"]
    assert len(cut) == LONGEST_KEY
    assert TEXTS["long"].upper().startswith(cut.partition("\N{HORIZONTAL ELLIPSIS}")[0])
    odd = facts["hostile-shapes"]
    assert [odd[name] for name in ("src_total_quantity", "sub_payment_method")] == [None, None]
    assert odd["other_income_name"] == str(10**40)
    assert (lines[odd["order_key"]]["sku"], odd["is_money_reportable"]) == ("second", True)
    named = ran.scalar("select string_agg(field || value, '') from ops.unknown_fields")
    _is_inert(str(named))


class _Page(HTMLParser):
    """What a browser would make of the report."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def _check_report(html: str) -> None:
    _is_inert(html)
    page = _Page()
    page.feed(html)
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "foreignobject", "base", "form"}
    assert [name for name, _ in page.attributes if name.startswith("on")] == []
    links = [value for name, value in page.attributes if name in {"href", "xlink:href", "src", "action"}]
    assert [link for link in links if not link.startswith(_LOCAL)] == []
    assert "</td><script>alert(1)</script>" in page.text, "the name of a store is shown, as text"
    assert "{{ 7 * 7 }}" in page.text


def _check_dagster(events: list[Mapping[str, Any]]) -> None:
    """Look at everything that Dagster keeps, and above all at Markdown, which its UI renders."""
    shown = [text for row in events for text in _texts(json.loads(row["event"]))]
    for _, text in shown:
        _is_inert(text)
    pictures = [text for name, text in shown if name == "md_str"]
    assert pictures
    for text in pictures:
        found = re.fullmatch(r"(?:[\w.,:\- ]+\n\n)?!\[[\w ,()]*\]\(<data:image/svg\+xml,([^<>\s]*)>\)", text)
        assert found, text[:300]
        for part in ET.fromstring(unquote(found[1])).iter():  # noqa: S314 - made by us
            assert part.tag.rpartition("}")[2] not in {"script", "foreignObject", "a"}
            assert not any(name.startswith("on") for name in part.attrib)
            links = [value for name, value in part.attrib.items() if name.endswith("href")]
            assert all(link.startswith(_LOCAL) for link in links)


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text within a JSON value, with the name of the field that holds it."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, name)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("count", [1, 501], ids=["table", "long table"])
def test_no_table_of_the_command_line_acts_on_a_terminal(
    name: str, count: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a list could clear the screen, or show something else than what is there."""
    monkeypatch.setattr(cli_common.out, "_force_terminal", False)
    text = _stored(TEXTS[name])[:200]
    cli_common.print_table("Orders", ("id", "name"), [(str(number), text) for number in range(count)])
    cli_common.out.print(text, markup=False, soft_wrap=True)
    cli_common.say(text)
    cli_common.warn([text])
    shown = capsys.readouterr()
    _is_inert(shown.out + shown.err)
    assert shown.out.count("\n") >= count

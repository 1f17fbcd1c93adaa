"""Input that is large where nobody expects it. Nothing is timed: what is not linear does not end within a test's time.

Each case took minutes to hours, or ended in an error of Python's, before it was mended or is the neighbour of one.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from order_assets.accounts_file import SettingsError, exposed_literals, parse_accounts
from order_assets.clients.errors import ContractError, Reason
from order_assets.clients.http import MAX_BODY_BYTES, decode
from order_assets.domain import scalev
from order_assets.domain.columns import LONGEST_KEY
from order_assets.domain.recognition import Policy
from order_assets_tests.factories import page, scalev_order, scalev_page
from order_assets_tests.garbage.targets import TARGETS

pytestmark = pytest.mark.timeout(60)
MANY = 50_000


@pytest.mark.parametrize(
    "line", [" " * MANY, "[" + " " * MANY, "[[" + "a " * MANY, "a " * MANY, "\n" * MANY, '"' * MANY, "." * MANY],
    ids=["blanks", "header", "headers", "key", "lines", "quotes", "dots"],
)  # fmt: skip
def test_a_mistake_in_a_strange_accounts_file_is_found(line: str, tmp_path: Path) -> None:
    """Without it one long line would keep every command, and the daemon, from ever starting."""
    text = f"wrong = '''\n{line}\n'''\n"
    with pytest.raises(SettingsError, match=r"accounts\.toml:1: wrong: unknown key"):
        parse_accounts(text, "accounts.toml")
    path = tmp_path / "accounts.toml"
    path.touch(mode=0o644)
    assert exposed_literals(path, text) == []


def test_a_body_of_millions_of_pieces_is_refused() -> None:
    """Without it a body of the allowed size could keep a run busy for hours: each piece copied all that follow it."""
    piece = gzip.compress(b"")
    with pytest.raises(ContractError) as caught:
        decode(piece * (MAX_BODY_BYTES // 4 // len(piece)), "gzip")
    assert caught.value.reason is Reason.BAD_ENVELOPE


@pytest.mark.parametrize(
    "odd",
    [
        b'"status":' + b"[" * MANY + b"]" * MANY,
        b'"tax_hint":' + b'{"a":' * MANY + b"1" + b"}" * MANY,
        b'"order_id":' + b"1" * MANY,
        b'"product_price":1e' + b"9" * MANY,
        b'"product_price":"' + b"0" * MANY + b'.1e1"',
        b'"created_at":"' + b"2026-01-01T" * MANY + b'"',
        b'"discount_code_code":"' + b"\\\\" * MANY + b'\\ud83d"',
        b'"orderlines":[' + b"1," * MANY + b"{}]",
        b",".join(b'"field_%d":1' % n for n in range(MANY)),
    ],
    ids=["nested", "nested unknown", "id", "exponent", "zeros", "time", "escapes", "lines", "fields"],
)
def test_a_page_with_something_huge_keeps_every_promise(odd: bytes) -> None:
    """Without it one field could stop a crawl, or every load that comes after it."""
    TARGETS["scalev_page"](b'{"data":[{"order_id":"a"},{' + odd + b'}],"has_next":false}')


def test_a_text_of_a_megabyte_is_one_value() -> None:
    """Without it a very long name could cost the order, or two long codes be taken for one."""
    name = "漢" * 350_000
    orders = [scalev_order(other_income_name=name, discount_code_code=f"{name}{end}") for end in "ab"]
    made = scalev.derive([page(scalev_page(orders))], Policy(), "key").orders
    assert made["other_income_name"].tolist() == [name] * 2
    codes = made["discount_code"].tolist()
    assert len(set(codes)) == 2
    assert all(len(code) == LONGEST_KEY and name.startswith(code[:100]) for code in codes)

"""The report: complete in one file, exact, inert whatever stores and codes are called, and written in one go."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import sqlalchemy as sa

from order_assets.accounts_file import ChecksSection
from order_assets.report.page import page, write
from order_assets.warehouse.schema import dim_store, revenue_daily
from order_assets_tests.report.test_data import insert, month

LIMITS = ChecksSection().model_dump()
NOW = datetime(2026, 3, 2, 4, 5, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}\u202e$x$ & co"
_VOID = {"meta", "br", "hr", "img", "link"}


class Outline(HTMLParser):
    """Checks that elements close in order; collects text outside of styles, and addresses."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.scripts += tag == "script" or any(name.startswith("on") for name, _ in attrs)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "action"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that is empty."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        if "style" not in self.open:
            self.words.append(data)


def read(engine: sa.Engine) -> tuple[str, Outline]:
    """Make the report and parse it."""
    with engine.connect() as connection:
        html = page(connection, LIMITS, NOW)
    outline = Outline()
    outline.feed(html)
    assert outline.open == []
    return html, outline


def test_an_empty_database_has_a_report(engine: sa.Engine) -> None:
    """Without it, the first thing a new user asks for would be an error."""
    _, outline = read(engine)
    text = " ".join(outline.words)
    assert "There are no orders yet" in text
    assert "No sum of a published month has changed" in text
    assert "2026-03-02 04:05 UTC" in text


def test_the_file_stands_alone(engine: sa.Engine) -> None:
    """Without it, a report in an archive or a mail would have holes, or tell a server who reads it."""
    month(engine, date(2026, 1, 1), "IDR", "1")
    html, outline = read(engine)
    assert [address for address in outline.addresses if not address.startswith("#")] == []
    assert outline.scripts == 0
    assert not re.search(r"url\((?!#)|@import", html)
    assert len(outline.ids) == len(set(outline.ids)), "pictures do not mix up their parts"
    targets = {address[1:] for address in outline.addresses}
    assert targets <= set(outline.ids)


def test_names_of_others_are_inert_and_sums_exact(engine: sa.Engine) -> None:
    """Without it, who names a store would run a script in finance's browser; or cents would be lost on the way."""
    with engine.begin() as connection:
        store = {"source_system": "scalev", "source_store_id": "a", "display_name": HOSTILE, "default_currency": "IDR"}
        seen = {"time_zone": "Asia/Jakarta", "first_seen_at": NOW, "last_seen_at": NOW}
        connection.execute(dim_store.insert().values(store_key="scalev|a", **store, **seen))
    counts = dict.fromkeys(("orders_total", "orders_placed", "orders_recognised", "orders_new"), 1)
    for day, net in ((1, "99999999999999.10"), (2, "0.21")):
        insert(engine, revenue_daily, order_date=date(2026, 1, day), currency_code="IDR", net_sales_amount=net,
               gross_sales_amount=net, sales_discount_amount=0, payment_amount=net, **counts)  # fmt: skip
    html, outline = read(engine)
    text = " ".join(outline.words)
    assert outline.scripts == 0
    assert "<script>alert(1)</script>{{ 7 * 7 }}" in text
    assert "\u202e" not in html
    assert text.count("99,999,999,999,999.31") >= 2, "in the totals and of the store"


def test_it_is_written_in_one_go_for_its_owner(tmp_path: Path) -> None:
    """Without it, a reader could see half a page, or everybody on the machine the revenue."""
    path = tmp_path / "new" / "report.html"
    write(path, "one")
    write(path, "two")
    assert path.read_text(encoding="utf-8") == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]

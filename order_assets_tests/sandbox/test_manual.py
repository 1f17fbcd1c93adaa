"""The page about faults is made from the table of faults, and stays so."""

import re
from pathlib import Path

import pytest

import order_assets
from order_assets.clients.errors import Reason
from order_assets.sandbox import manual
from order_assets.sandbox.faults import KINDS

PAGE = Path(order_assets.__file__).parents[1] / "docs" / "faults.md"


def test_the_page_is_what_the_table_says() -> None:
    """Without it, a user would look for a fault that is no more, or miss a new one.

    To renew the page: `python -m order_assets.sandbox.manual docs/faults.md`.
    """
    text = PAGE.read_text(encoding="utf-8")
    assert manual.renewed(text) == text
    for name, kind in KINDS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert kind.summary in row
        assert kind.expected in row
        assert row.count("|") == 6, "a bar in a text would end its cell"


def test_the_page_is_renewed(tmp_path: Path) -> None:
    """Without it, the command that the test above names could destroy what people wrote around the table."""
    page = tmp_path / "faults.md"
    page.write_text(f"before\n{manual.START}\nold\n{manual.END}\nafter\n", encoding="utf-8")
    assert manual.main([str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text == f"before\n{manual.START}\n{manual.table()}{manual.END}\nafter\n"
    with pytest.raises(ValueError, match="needs the lines"):
        manual.renewed("no marks")


def test_expected_verdicts_exist() -> None:
    """Without it, the page could promise a status or a reason that `ops.crawls` does not know."""
    for name, kind in KINDS.items():
        verdicts = re.findall(r"(complete|incomplete|failed|parked), (\w+)", kind.expected)
        assert verdicts, name
        assert {reason for _, reason in verdicts} <= set(Reason)
        assert all((status == "complete") == (reason == "ok") for status, reason in verdicts)

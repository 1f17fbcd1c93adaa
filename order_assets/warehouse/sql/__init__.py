"""Set-based statements, one per file. Values are always bound parameters; identifiers are fixed in the file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa

_FOLDER = Path(__file__).parent


@cache
def source(name: str) -> str:
    """Return the text of `<name>.sql` beside this module, e.g. "load/order_sequence"."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


@cache
def statement(name: str) -> sa.TextClause:
    """Return the statement of `<name>.sql` beside this module."""
    return sa.text(source(name))

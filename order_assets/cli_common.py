"""What the commands share: how they print, their exit codes, how they open settings and database."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn

import sqlalchemy as sa
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from order_assets import runtime
from order_assets.accounts_file import SettingsError
from order_assets.settings import Settings

NOT_ALL_COMPLETE, USAGE, FAILED = 3, 2, 1
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables.")]

_PIPE_WIDTH = 140  # a file or a pipe has no width of its own; nothing is cut off there
_LONGEST_TABLE = 500  # rows; to draw thousands of them takes longer than to ask for them
_STYLES = {
    **dict.fromkeys(("valid", "complete"), "green"),
    **dict.fromkeys(("expired", "rate_limited", "incomplete", "parked", "running"), "yellow"),
    **dict.fromkeys(("not_found", "unreachable", "error", "failed"), "red"),
}


def inert(text: str, keep: str = "") -> str:
    r"""Return text of others with what a terminal would act on, or hide, written out (`\x1b`).

    A code or a name comes from whoever placed an order; escape sequences in it could rewrite what was printed before,
    and direction characters show it in another order than it has.
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter in keep or unicodedata.category(letter) == "Zs"
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


class _InertConsole(Console):
    """A console whose output is inert whatever is printed; only its own styles reach the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Take in a text that is printed, be it a line or a cell."""
        return super().render_str(inert(text, keep="\n"), **options)


def _console(*, stderr: bool) -> Console:
    console = _InertConsole(stderr=stderr, highlight=False)
    return console if console.is_terminal else _InertConsole(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


out = _console(stderr=False)
err = _console(stderr=True)


def say(message: str) -> None:
    """Print a line about what goes on; stdout stays the result."""
    err.print(message, markup=False, soft_wrap=True)


def warn(warnings: Iterable[str]) -> None:
    """Print warnings."""
    for warning in warnings:
        err.print(f"Warning: {warning}", style="yellow", markup=False, soft_wrap=True)


def stop(message: str, code: int) -> NoReturn:
    """End the command with a message that says what to do."""
    err.print(message, style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def server_words(error: sa.exc.DBAPIError) -> str:
    """Return what the database says of itself. Details of an error hold rows, so they are left out."""
    said = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    return str(said or "the connection was lost")


def print_json(document: Any) -> None:
    """Print a result for programs."""
    print(json.dumps(document, indent=2, default=str))  # noqa: T201 - output


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int | None = None
) -> None:
    """Print a table; a long one as plain columns. Columns from number `numbers_from` on are flush right."""
    right = len(columns) if numbers_from is None else numbers_from
    rows = [[inert(cell) for cell in row] for row in rows]
    if len(rows) <= _LONGEST_TABLE:
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        for place, name in enumerate(columns):
            # Folded rather than cut off: an account or an amount must be readable on a narrow terminal too.
            table.add_column(name, justify="right" if place >= right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(f"[{_STYLES[cell]}]{cell}[/]" if cell in _STYLES else escape(cell) for cell in row))
        out.print(table)
        return
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = [
            cell.rjust(width) if place >= right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("   ".join(cells).rstrip())  # noqa: T201 - output


def open_settings() -> Settings:
    """Return the settings, with their warnings printed."""
    settings = runtime.open_settings()
    warn(settings.warnings)
    return settings


def open_engine(settings: Settings) -> sa.Engine:
    """Return an engine, with the environment that Dagster's processes need."""
    os.environ.update(runtime.dagster_environment())
    engine = runtime.open_engine()

    from order_assets.crawl import accounts as roster
    from order_assets.crawl import installation

    with engine.begin() as connection:
        foreign = roster.foreign_origin(connection, settings)
        if foreign and settings.is_sandbox:
            raise SettingsError(
                f"no accounts file is configured, and the sandbox must not mix into a database with {foreign} real"
                " accounts; write accounts.toml, or point ORDER_ASSETS_DATABASE_URL to an empty database"
            )
        warnings = installation.check(connection, settings)
    if foreign:
        warnings.append(
            f"this database already holds orders of {foreign} sandbox accounts, and sums will mix both. Point"
            " ORDER_ASSETS_DATABASE_URL to an empty database to keep them apart."
        )
    warn(warnings)
    return engine

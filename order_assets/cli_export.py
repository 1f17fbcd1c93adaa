"""`order-assets export`: tables as CSV or Parquet files. Parsing and printing only."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import sqlalchemy as sa
import typer

from order_assets.accounts_file import SettingsError
from order_assets.cli_common import (
    FAILED,
    USAGE,
    AsJson,
    open_engine,
    open_settings,
    print_json,
    print_table,
    say,
    stop,
)

if TYPE_CHECKING:
    from order_assets.export import Exported
    from order_assets.warehouse.relations import Relation, Selection

_STDOUT = Path("-")


def _complete(incomplete: str) -> list[str]:
    from order_assets.warehouse.relations import relations

    return [name for name in relations() if name.startswith(incomplete)]


def export(  # noqa: PLR0913 - the choices of the command
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            help="Views of schema reporting or tables of marts, e.g. revenue_by_day orders.", autocompletion=_complete
        ),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every view of schema reporting.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the tables there are, and write nothing.")] = False,
    file_format: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="Parquet keeps decimals, dates and zones as types.")
    ] = "csv",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for several tables, file for one, - for standard output (CSV of one table). Default: the"
            " current folder, files named as the tables."
        ),
    ] = None,
    store: Annotated[
        list[str] | None, typer.Option(help="Only this store, by store_key or its id at the source; may be repeated.")
    ] = None,
    currency: Annotated[list[str] | None, typer.Option(help="Only this currency, e.g. IDR; may be repeated.")] = None,
    source: Annotated[Literal["scalev", "ktsp"] | None, typer.Option(help="Only this source.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First date; a month counts by its first day.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last date, included.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write tables as CSV or Parquet files: exact amounts, no personal data, all of one moment.

    Dates are those of the order in its store's zone; lines, discounts and milestones go with their order. Files appear
    together when all are written, readable by you alone. In CSV, NULL is an empty field and times are UTC.
    """
    if listed:
        _print_list(as_json=as_json)
        return
    relations = _chosen(tables or [], every=every)
    selection = _selection(store or [], currency or [], source, since, until)
    if out == _STDOUT and (len(relations) > 1 or file_format != "csv"):
        stop("--out - writes one table, as CSV", USAGE)
    from order_assets import export as exporting
    from order_assets.warehouse.relations import SelectionError

    engine = open_engine(open_settings())
    try:
        if out == _STDOUT:
            _to_stdout(engine, relations[0], selection)
            return
        targets = _targets(relations, file_format, out)
        written = exporting.export(engine, targets, file_format, selection)
    except SelectionError as error:
        stop(str(error), USAGE)
    except BrokenPipeError:  # the reader has seen enough, e.g. head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        stop(f"{error.filename or out}: cannot write: {error.strerror}; nothing was exported", FAILED)
    except KeyboardInterrupt:
        stop("Stopped. No file was written.", FAILED)
    else:
        _print_written(written, as_json=as_json)
    finally:
        engine.dispose()


def _print_written(written: Iterable[Exported], *, as_json: bool) -> None:
    if as_json:
        print_json([dataclasses.asdict(each) for each in written])
        return
    for each in written:
        rows = "" if each.rows is None else f"{each.rows:,} rows, "
        say(f"{each.table}: {rows}{each.bytes:,} bytes")
        print(each.file)  # noqa: T201 - the result


def _chosen(names: Iterable[str], *, every: bool) -> list[Relation]:
    from order_assets.warehouse import relations

    try:
        chosen = [relations.find(name) for name in dict.fromkeys(names)]
    except relations.SelectionError as error:
        stop(str(error), USAGE)
    if every:
        chosen += [r for r in relations.relations().values() if r.schema == "reporting" and r not in chosen]
    if not chosen:
        stop(
            "Name a table, e.g. order-assets export revenue_by_day; they are listed by: order-assets export --list",
            USAGE,
        )
    return chosen


def _selection(
    stores: list[str], currencies: list[str], source: str | None, since: datetime | None, until: datetime | None
) -> Selection:
    from order_assets.warehouse.relations import Selection

    for currency in currencies:
        if not re.fullmatch("[A-Z]{3}", currency):
            stop(f"--currency {currency}: write an ISO 4217 code such as IDR", USAGE)
    if since and until and since > until:
        stop(f"--since {since:%Y-%m-%d} is after --until {until:%Y-%m-%d}", USAGE)
    first, last = (_date(moment) for moment in (since, until))
    return Selection(tuple(stores), tuple(currencies), source, first, last)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _targets(relations: list[Relation], file_format: str, out: Path | None) -> dict[Path, Relation]:
    is_folder = len(relations) > 1 or out is None or out.is_dir()
    if not is_folder and out is not None:
        return {out.absolute(): relations[0]}
    if out is not None and out.exists() and not out.is_dir():
        raise SettingsError(f"--out {out}: it is a file, and {len(relations)} tables need a folder")
    folder = (out or Path()).absolute()
    return {folder / f"{relation.name}.{file_format}": relation for relation in relations}


def _to_stdout(engine: sa.Engine, relation: Relation, selection: Selection) -> None:
    from order_assets import export as exporting
    from order_assets.warehouse import arrow

    with exporting.snapshot(engine) as connection:
        query = relation.query(connection, selection)
        schema = arrow.arrow_schema(connection, query, relation.columns)
        exporting.write(connection, query, schema, "csv", sys.stdout.buffer)


def _print_list(*, as_json: bool) -> None:
    from order_assets.warehouse.relations import relations

    rows = [(each.schema, each.name, each.comment) for each in relations().values()]
    if as_json:
        print_json([
            {"schema": each.schema, "table": each.name, "comment": each.comment, "columns": dict(each.columns)}
            for each in relations().values()
        ])  # fmt: skip
    else:
        print_table("Tables", ("schema", "table", "what it holds"), rows)

"""`order-assets report`: the story of the data as one HTML file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer

from order_assets.cli_common import FAILED, open_engine, open_settings, stop
from order_assets.report.location import report_file
from order_assets.settings import Settings
from order_assets.warehouse.checks import Findings


def write_report(engine: sa.Engine, settings: Settings, path: Path, known: Findings | None = None) -> None:
    """Write the report of the data as they are now; `known`: what checks found a moment ago.

    Raises:
        OSError: the file cannot be written.
    """
    from order_assets.report import page  # takes its time to import

    with engine.connect() as connection:
        html = page.page(connection, settings.accounts.checks.model_dump(), datetime.now(UTC), known)
    page.write(path, html)


def report(
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: report.html in the state folder.", dir_okay=False)
    ] = None,
) -> None:
    """Write one self-contained HTML file: revenue, discounts, cohorts, lifecycle, accounts, restatements, checks."""
    settings = open_settings()
    engine = open_engine(settings)
    path = (out or report_file()).absolute()
    try:
        write_report(engine, settings, path)
    except OSError as error:
        stop(f"{path}: cannot write the report: {error.strerror}", FAILED)
    finally:
        engine.dispose()
    typer.echo(str(path))

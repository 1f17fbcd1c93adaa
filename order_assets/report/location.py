"""Where the report is: the one place that is asked."""

from __future__ import annotations

from pathlib import Path

from order_assets.settings import state_folder


def report_file() -> Path:
    """Return where the report is written, unless somebody says otherwise."""
    return state_folder() / "report.html"


def report_path() -> Path | None:
    """Return the file of the report in the state folder; None while none was written."""
    path = report_file()
    return path if path.is_file() else None

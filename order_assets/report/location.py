"""Where the report is: the one place that is asked."""

from __future__ import annotations

from pathlib import Path

from order_assets.settings import state_folder


def report_path() -> Path | None:
    """Return the file of the report in the state folder; None while none was written."""
    path = state_folder() / "report.html"
    return path if path.is_file() else None

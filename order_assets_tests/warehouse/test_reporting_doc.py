"""Documents for analysts say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from order_assets.warehouse.relations import relations
from order_assets.warehouse.reporting_doc import document

DOCS = Path(__file__).parents[2] / "docs"


def test_the_list_of_views_is_generated() -> None:
    """Without it, docs/views.md would describe columns that were renamed."""
    assert (DOCS / "views.md").read_text(encoding="utf-8") == document()


def test_what_the_guide_names_is_there() -> None:
    """Without it, the guide would send analysts to views and files that do not exist."""
    text = (DOCS / "analysts.md").read_text(encoding="utf-8")
    files = {path.stem for path in (DOCS.parent / "examples").iterdir()}
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", text)) | set(re.findall(r"reporting\.([a-z_]+)`", text))
    columns = {name for relation in relations().values() for name in relation.columns}
    assert named - files - relations().keys() - columns == {"order_assets"}
    assert files <= named, "every example is listed"

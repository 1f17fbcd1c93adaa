"""docs/views.md from the views: `python -m order_assets.warehouse.reporting_doc docs/views.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.reporting import VIEWS, View

_HEAD = """\
# Views for analysts

Generated from `order_assets/warehouse/reporting.py`. Do not edit; run
`python -m order_assets.warehouse.reporting_doc docs/views.md`. How to use them is in [analysts.md](analysts.md).

Schema `reporting`. The keys of each view tell its rows apart. "From" is the column of schema `marts` that is shown; the
formula of each metric is in [metrics.md](metrics.md), under the table's name.
"""


def document() -> str:
    """Return the text of docs/views.md."""
    listed = "".join(f"| [`{view.name}`](#{view.name}) | {view.comment} |\n" for view in VIEWS)
    return f"{_HEAD}\n| View | What it holds |\n|---|---|\n{listed}" + "".join(
        part for view in VIEWS for part in _section(view)
    )


def _section(view: View) -> Iterator[str]:
    table = f" Shows `marts.{view.of}`." if view.of else ""
    metrics = f" [Formulas](metrics.md#{view.of})." if view.of in REGISTRY else ""
    keys = ", ".join(f"`{key}`" for key in view.keys)
    yield f"\n## {view.name}\n\n{view.comment}.{table}{metrics} Keys: {keys}.\n"
    yield "\n| Column | What it is | From |\n|---|---|---|\n"
    for column in view.columns:
        origin = column.sql.partition("::")[0].removeprefix("t.") if view.of and column.sql.startswith("t.") else ""
        comment = column.comment.replace("|", "\\|")
        yield f"| `{column.name}` | {comment} | {f'`{origin}`' if origin else ''} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")

"""docs/metrics.md from the registry: `python -m order_assets.warehouse.metrics_doc docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from order_assets.warehouse import schema
from order_assets.warehouse.metrics import HAS_MONEY, HAS_STATUS, LOST, OPEN, PLACED, RECOGNISED, Metric
from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.summaries import SUMMARIES

_HEAD = """\
# Metrics

Generated from the registry (`order_assets/warehouse/metrics.py` and `metrics_registry.py`), from which the SQL, the
columns and their comments come too. Do not edit; run `python -m order_assets.warehouse.metrics_doc docs/metrics.md`.

Recognised orders count as revenue under the recognition policy; lost ones were canceled, returned or closed unpaid;
placed ones are recognised, open or lost. Every number is observed revenue of the configured customers and members.
Amounts are `numeric(20,4)` in `currency_code` and of different currencies never added; rates are fractions,
`numeric(9,6)`. A sum over no rows is 0, a ratio with denominator 0 NULL, a rate of 1000 or more NULL. Ratios divide
sums: to roll up, add numerators and denominators and divide again.

"Adds over" says over which dimensions values may be added. `f` are orders, `l` their milestones, `d` their discounts,
`o` their lines; `m` movements, `p` customers with their orders, `c` orders of cohorts, `s` steps of orders.
"""
_WORDS = {
    RECOGNISED: "recognised", OPEN: "open", LOST: "lost", PLACED: "placed", HAS_MONEY: "", HAS_STATUS: "",
}  # fmt: skip


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def _formula(metric: Metric, period: str) -> str:
    where = _WORDS.get(metric.where) or _code(metric.where)
    over = f" over {where}" if where else ""
    match metric.kind:
        case "ratio":
            return f"`{metric.numerator}` / `{metric.denominator}`"
        case "derived" | "cumulative":
            return _code(metric.expression.replace("{period}", period))
        case "count":
            return f"rows{over}"
        case "percentile":
            return f"percentile {metric.fraction} of {_code(metric.expression)}{over}"
        case "distinct":
            return f"different {_code(metric.expression)}{over}"
        case _:
            return f"{metric.kind} of {_code(metric.expression)}{over}"


def _section(name: str, metrics: tuple[Metric, ...]) -> Iterator[str]:
    table = schema.metadata.tables[f"marts.{name}"]
    keys = list(SUMMARIES[name].keys)
    yield f"\n## {name}\n\n{table.comment}. One row per {', '.join(f'`{key}`' for key in keys)}.\n\n"
    yield "| Metric | Unit | What it is | Formula | NULL | Adds over |\n|---|---|---|---|---|---|\n"
    for metric in metrics:
        title = f"`{metric.name}`" if metric.published else f"`{metric.name}` (not a column)"
        formula = _formula(metric, keys[0])
        adds = ", ".join(metric.additive_over) or "nothing"
        yield f"| {title} | {metric.unit} | {metric.description} | {formula} | {metric.null_rule} | {adds} |\n"


def document() -> str:
    """Return the text of docs/metrics.md."""
    return _HEAD + "".join(part for name, metrics in REGISTRY.items() for part in _section(name, metrics))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")

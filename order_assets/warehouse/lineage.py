"""Which columns of the facts each column of a summary comes from, read off the SQL that computes it.

Nothing is listed twice: the expressions and conditions of the registry, and the keys of `summaries.SUMMARIES`, name
columns by the aliases of their tables. Where a summary reads a statement of its own (movements, cohorts, steps), its
`origins` say what that statement's columns are made of. A column whose value depends on a condition comes from the
condition's columns as well; which rows a summary takes at all is not lineage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from order_assets.warehouse.metrics import Metric
from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.summaries import SUMMARIES, Summary
from order_assets.warehouse.summary_schema import VIEW_COLUMNS

Origin = tuple[str, str]
"""A table of schema `marts`, and one of its columns."""

TABLES = {"f": "order_facts", "l": "order_lifecycle", "d": "discount_facts", "o": "order_line_facts"}
"""The facts by their alias."""
VIEW_SOURCES = {"revenue_daily_dense": "revenue_daily"}
"""The table of which a view shows the same columns."""

_REFERENCE = re.compile(r"\b([a-z])\.([a-z_0-9]+)\b")
_LITERAL = re.compile(r"'[^']*'")
_WORD = re.compile(r"\b[a-z_0-9]+\b")
_EVERY_ROW = "f.order_key"


def column_origins(name: str) -> dict[str, tuple[Origin, ...]]:
    """Return the columns that each column of a summary or view comes from, sorted.

    A column that is made by us (the name of a step, when a row was computed) has none and is not in the result.
    """
    if name in VIEW_SOURCES:
        return {column.name: ((VIEW_SOURCES[name], column.name),) for column in VIEW_COLUMNS[name]}
    summary, metrics = SUMMARIES[name], {metric.name: metric for metric in REGISTRY[name]}
    found = {key: _facts(sql, summary) for key, sql in summary.keys.items()}
    found |= {metric.name: _metric_facts(metric, metrics, summary) for metric in metrics.values() if metric.published}
    return {column: tuple(sorted(origins)) for column, origins in found.items() if origins}


def _facts(sql: str, summary: Summary) -> set[Origin]:
    """Return the columns of the facts that a piece of SQL reads, through the statement it reads them from."""
    found: set[Origin] = set()
    for alias, column in _REFERENCE.findall(_LITERAL.sub("", sql)):
        if alias in TABLES:
            found.add((TABLES[alias], column))
        else:  # a column of the summary's own statement; unless told otherwise, the order's of the same name
            found |= _facts(summary.origins.get(column, f"f.{column}"), summary)
    return found


def _metric_facts(metric: Metric, metrics: Mapping[str, Metric], summary: Summary) -> set[Origin]:
    if metric.is_aggregate:
        expression = "" if metric.expression == "*" and metric.where else metric.expression.replace("*", _EVERY_ROW)
        return _facts(" ".join([expression, metric.where, metric.order, *metric.only]), summary)
    parts = _WORD.findall(f"{metric.numerator} {metric.denominator} {metric.expression}")
    return {origin for part in parts if part in metrics for origin in _metric_facts(metrics[part], metrics, summary)}

"""The registry of metrics as a whole, and the document made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_assets.warehouse import schema
from order_assets.warehouse.metrics_doc import document
from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.summaries import MONTHLY_TABLES, SUMMARIES, WHOLE_TABLES

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_document_is_up_to_date() -> None:
    """Without it, people would read formulas that are no longer computed."""
    written = DOCUMENT.read_text(encoding="utf-8")
    assert written == document(), "run: python -m order_assets.warehouse.metrics_doc docs/metrics.md"


def test_every_summary_is_in_the_registry() -> None:
    """Without it, a table could have measures that no definition describes."""
    assert set(REGISTRY) == set(SUMMARIES) == {*MONTHLY_TABLES, *WHOLE_TABLES}


@pytest.mark.parametrize("name", REGISTRY)
def test_measures_and_keys_are_the_columns(name: str) -> None:
    """Without it, a column could be filled by nothing, or a measure be computed and dropped."""
    table = schema.metadata.tables[f"marts.{name}"]
    measures = [metric.name for metric in REGISTRY[name] if metric.published]
    assert len(set(measures)) == len(measures)
    assert list(SUMMARIES[name].keys) == [column.name for column in table.primary_key]
    assert {*SUMMARIES[name].keys, *measures} == {c.name for c in table.columns} - {"computed_at", "run_id"}


@pytest.mark.parametrize("name", REGISTRY)
def test_ratios_divide_metrics_of_the_same_row(name: str) -> None:
    """Without it, a ratio could not be taken again over several days, or average averages."""
    known = {metric.name for metric in REGISTRY[name]}
    for metric in REGISTRY[name]:
        assert (metric.kind == "ratio") is bool(metric.numerator and metric.denominator)
        if metric.kind == "ratio":
            assert {metric.numerator, metric.denominator} <= known
            assert metric.additive_over == ()


def test_money_never_adds_over_currencies() -> None:
    """Without it, a table of definitions would invite to add rupiah to dollars."""
    for metrics in REGISTRY.values():
        assert [m.name for m in metrics if m.unit == "money" and "currency" in m.additive_over] == []


@pytest.mark.parametrize("name", REGISTRY)
def test_money_has_a_currency_in_its_key(name: str) -> None:
    """Without it, a row could hold amounts of several currencies (check 20)."""
    if any(metric.unit == "money" for metric in REGISTRY[name]):
        assert "currency_code" in SUMMARIES[name].keys

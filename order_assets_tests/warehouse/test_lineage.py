"""Column lineage: read off the SQL of the summaries, so it must cover and name real columns."""

from __future__ import annotations

import re

import pytest

from order_assets.warehouse import ledger_schema, schema  # noqa: F401 - the ledger brings every table
from order_assets.warehouse.lineage import TABLES, VIEW_SOURCES, column_origins
from order_assets.warehouse.sql import source
from order_assets.warehouse.summaries import SUMMARIES
from order_assets.warehouse.summary_schema import VIEW_COLUMNS

# Made by us: a step's name, and bookkeeping of the row.
_OURS = {"step", "computed_at", "run_id"}
_STATEMENTS = {
    "revenue_movements_daily": "movements",
    "repeat_rate": "customer_orders",
    "customer_cohort_monthly": "cohort_orders",
    "lifecycle_monthly": "lifecycle_steps",
}


@pytest.mark.parametrize("name", [*SUMMARIES, *VIEW_SOURCES])
def test_every_column_has_a_lineage_of_columns_that_exist(name: str) -> None:
    """Without it, a new metric would have no lineage, or one to a column that was renamed."""
    columns = VIEW_COLUMNS.get(name) or list(schema.metadata.tables[f"marts.{name}"].columns)
    origins = column_origins(name)
    assert {column.name for column in columns} - set(origins) == _OURS & {column.name for column in columns}
    for column, sources in origins.items():
        for table, origin in sources:
            assert origin in schema.metadata.tables[f"marts.{table}"].c, (name, column, table, origin)


@pytest.mark.parametrize("name", _STATEMENTS)
def test_origins_of_a_statement_are_columns_it_reads(name: str) -> None:
    """Without it, what is said of a statement in a file would stay when the file changes."""
    words = set(re.findall(r"\w+", source(f"summaries/{_STATEMENTS[name]}")))
    for column, origins in SUMMARIES[name].origins.items():
        named = re.findall(r"\b([a-z])\.(\w+)", origins)
        assert {alias for alias, _ in named} <= set(TABLES)
        assert {column, *(origin for _, origin in named)} <= words, column


def test_only_summaries_with_a_statement_say_origins() -> None:
    """Without it, a statement could be added whose columns are taken for those of the order, and never looked at."""
    assert {name for name, summary in SUMMARIES.items() if summary.origins} == set(_STATEMENTS)
    assert {name for name, summary in SUMMARIES.items() if summary.rows.lstrip().startswith("(")} == set(_STATEMENTS)


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("revenue_daily", "orders_total", {"order_facts.order_key"}),
        (
            "revenue_monthly", "sales_discount_rate",
            {"order_facts.sales_discount_amount", "order_facts.gross_sales_amount", "order_facts.revenue_class",
             "order_facts.currency_code"},
        ),
        (
            "revenue_monthly", "rts_share_of_shipped",
            {"order_facts.revenue_class", "order_facts.lost_kind", "order_facts.source_system",
             "order_facts.order_state", "order_lifecycle.shipped_at"},
        ),
        (
            "discount_by_kind_monthly", "share_of_discount",
            {"discount_facts.amount", "order_facts.revenue_class"},
        ),
        ("customer_cohort_monthly", "ltv_to_date", {"order_facts.net_sales_amount", "order_facts.customer_key"}),
        ("product_monthly", "units", {"order_line_facts.quantity", "order_facts.recognition_state"}),
        ("revenue_daily_dense", "net_sales_amount", {"revenue_daily.net_sales_amount"}),
    ],
)  # fmt: skip
def test_lineage_follows_parts_and_conditions(name: str, column: str, expected: set[str]) -> None:
    """Without it, a ratio could show only one of its halves, or a filtered count nothing of its filter."""
    assert {f"{table}.{origin}" for table, origin in column_origins(name)[column]} == expected

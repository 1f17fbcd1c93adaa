"""The questions in examples/ have answers: each file runs as it is, on real numbers, exactly."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from order_assets_tests.warehouse.parts import rows

FILES = sorted((Path(__file__).parents[2] / "examples").glob("*.sql"))
MAY_BE_EMPTY = {"close_the_month"}  # where everything is complete and nothing was restated


def test_every_example_runs_and_its_numbers_are_exact(reported: sa.Engine) -> None:
    """Without it, a renamed column would break what analysts copy, or a sum mix currencies or be a float."""
    assert len(FILES) >= 6
    answers = {}
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("-- "), f"{path.name} says which question it answers"
        with reported.connect() as connection:
            result = connection.exec_driver_sql(text)
            found = [dict(row) for row in result.mappings()]
        assert found or path.stem in MAY_BE_EMPTY, path.name
        assert not [value for row in found for value in row.values() if isinstance(value, float)], path.name
        if "net_sales" in text or "payment" in text:
            assert "currency" in result.keys()  # noqa: SIM118 - not a mapping
        answers[path.stem] = found
    assert {row["difference"] for row in answers["proof_of_revenue"]} == {Decimal("0.0000")}
    months = answers["monthly_revenue"]
    (total,) = rows(
        reported,
        "select sum(net_sales_amount) as n from marts.order_facts where revenue_class = 'recognised'"
        " and currency_code = 'IDR'",
    )
    assert sum(row["net_sales"] for row in months if row["currency"] == "IDR") == total["n"]
    grown = answers["month_over_month"]
    assert sum(row["net_sales"] for row in grown if row["currency"] == "IDR") == total["n"]


def test_the_proof_fails_where_days_and_orders_differ(reported: sa.Engine) -> None:
    """Without it, the proof could be one that always says 0."""
    with reported.begin() as connection:
        connection.execute(
            sa.text(
                "update marts.revenue_daily set net_sales_amount = net_sales_amount + 0.0001 where ctid ="
                " (select ctid from marts.revenue_daily where currency_code = 'IDR' limit 1)"
            )
        )
        proof = next(path for path in FILES if path.stem == "proof_of_revenue").read_text(encoding="utf-8")
        found = {row["currency"]: row["difference"] for row in connection.exec_driver_sql(proof).mappings()}
    assert found["IDR"] == Decimal("0.0001")

"""Summaries as Dagster runs: what is asked for when, at which date, and that a refresh leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
import pytest

from order_assets.defs.automation import as_of_config, month_range, restated_months_sensor, stale_summaries_sensor
from order_assets.defs.checks.quality import last_findings
from order_assets.defs.marts.summaries import DENSE
from order_assets.defs.marts.tables import mart
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse.checks import CHECKS
from order_assets.warehouse.summaries import MONTHLY_TABLES, SUMMARIES, WHOLE_TABLES, stale_tables
from order_assets_tests.defs.conftest import Installation


@pytest.fixture
def context(installation: Installation) -> Iterator[dg.SensorEvaluationContext]:
    """A sensor's context on the installation."""
    resources = {"warehouse": WarehouseResource()}
    with dg.build_sensor_context(instance=installation.instance, resources=resources) as built:
        yield built


def _summarise_months(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    asked = restated_months_sensor(context)
    assert isinstance(asked, list)
    for request in asked:
        assert installation.run("summarise_months", tags=dict(request.tags)).success


def test_whole_summaries_follow_the_months(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    """Without it, customers and codes would never be computed, or be asked for again and again.

    Nor would a report say what the checks found, or it would say so of tables that they have not seen.
    """
    assert isinstance(stale_summaries_sensor(context), dg.SkipReason)
    installation.run("refresh_orders")
    installation.run("load_facts")
    waiting = stale_summaries_sensor(context)
    assert isinstance(waiting, dg.SkipReason)
    assert "months" in (waiting.skip_message or "")
    _summarise_months(installation, context)
    asked, again = stale_summaries_sensor(context), stale_summaries_sensor(context)
    assert isinstance(asked, dg.RunRequest)
    assert isinstance(again, dg.RunRequest)
    assert asked.run_key == again.run_key
    assert installation.run("summarise_all", config=dict(asked.run_config)).success
    assert isinstance(stale_summaries_sensor(context), dg.SkipReason)
    assert set(last_findings(installation.instance)) == {check.key for check in CHECKS}
    installation.instance.report_runless_asset_event(dg.AssetMaterialization(mart("revenue_daily")))
    left_out = {check.key for check in CHECKS} - set(last_findings(installation.instance))
    assert {table for table, _ in left_out} == {"revenue_daily"}, "what was written since is not vouched for"
    counts = {name: installation.scalar(f"select count(*) from marts.{name}") for name in (*SUMMARIES, DENSE)}  # noqa: S608 - our tables
    assert [name for name, count in counts.items() if not count] == []


def test_a_date_is_an_input_of_the_run(installation: Installation) -> None:
    """Without it, the same facts would give other numbers tomorrow, and nobody could say of which date they are."""
    installation.run("refresh_orders")
    installation.run("load_facts")
    day = date(2031, 5, 17)
    assert installation.run("summarise_all", config=as_of_config(day)).success
    assert installation.scalar("select as_of_date from ops.as_of") == day
    ages = "select bool_and(recency_days = date '2031-05-17' - last_order_date) from marts.customer_summary"
    assert installation.scalar(ages)
    assert installation.run("summarise_all").success
    today = datetime.now(UTC).date()
    assert abs(installation.scalar("select as_of_date from ops.as_of") - today).days <= 1  # type: ignore[operator]
    with installation.engine.connect() as connection:
        assert stale_tables(connection, day) == list(WHOLE_TABLES)


def test_one_summary_can_be_computed_alone(installation: Installation) -> None:
    """Without it, a click on one asset in the UI would compute all, or fail."""
    installation.run("refresh_orders")
    installation.run("load_facts")
    job = installation.repository.get_job("__ASSET_JOB")
    result = job.execute_in_process(
        instance=installation.instance, asset_selection=[mart("repeat_rate")], raise_on_error=False
    )
    assert result.success
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [mart("repeat_rate")]
    assert installation.scalar("select count(*) from marts.repeat_rate")
    assert installation.scalar("select count(*) from marts.customer_summary") == 0


def test_every_summary_shows_what_was_written(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    """Without it, nobody could see in the UI that a recomputation changed nothing."""
    installation.run("refresh_orders")
    installation.run("load_facts")
    _summarise_months(installation, context)
    result = installation.run("summarise_months", tags=month_range(date(2020, 1, 1), date(2026, 12, 1)))
    assert result.success
    for event in result.get_asset_materialization_events():
        metadata = event.step_materialization_data.materialization.metadata
        assert metadata["rows written"].value == 0, event.asset_key
        assert metadata["rows removed"].value == 0, event.asset_key


def test_a_replay_marks_what_it_recomputed(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    """Without it, the graph would call months stale or missing that a replay has just made, the first time for ever."""
    installation.run("refresh_orders")
    installation.run("load_facts")
    assert installation.run("replay_marts").success
    assert isinstance(restated_months_sensor(context), dg.SkipReason), "nothing is left to recompute"
    assert isinstance(stale_summaries_sensor(context), dg.SkipReason)
    assert installation.scalar("select as_of_date from ops.as_of") == datetime.now(UTC).date()
    first = installation.scalar("select min(order_month)::text from marts.revenue_monthly")
    last = installation.scalar("select max(order_month)::text from marts.revenue_monthly")
    for name in MONTHLY_TABLES:
        done = installation.instance.get_materialized_partitions(mart(name))
        assert {first, last} <= done, name
        assert max(done) == last, f"{name}: no month after the last one with orders"
    for name in WHOLE_TABLES:
        event = installation.instance.get_latest_materialization_event(mart(name))
        assert event is not None, name
        assert event.asset_materialization is not None
        shown = event.asset_materialization.metadata["dagster/row_count"].value
        assert shown == installation.scalar(f"select count(*) from marts.{name}"), name  # noqa: S608 - our tables

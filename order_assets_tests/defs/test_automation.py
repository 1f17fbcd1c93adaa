"""Sensors: partitions follow accounts, facts follow pages, summaries follow facts; nothing twice, nothing missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise

import dagster as dg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from order_assets import runtime
from order_assets.accounts_file import SettingsError
from order_assets.definitions import defs
from order_assets.defs.automation import (
    accounts_sensor,
    fetched_pages_sensor,
    full_crawl_weekly,
    month_range,
    refresh_orders_hourly,
    restated_months_sensor,
    stretches,
)
from order_assets.defs.partitions import MONTHS as MONTH_PARTITIONS
from order_assets.defs.resources import WarehouseResource
from order_assets_tests.defs.conftest import Installation

MONTHS = st.lists(st.integers(0, 400), min_size=1, max_size=40, unique=True).map(
    lambda numbers: [date(2000 + n // 12, n % 12 + 1, 1) for n in sorted(numbers)]
)


@pytest.fixture
def context(installation: Installation) -> Iterator[dg.SensorEvaluationContext]:
    """A tick's context on the test's instance."""
    resources = {"warehouse": WarehouseResource()}
    with dg.build_sensor_context(instance=installation.instance, resources=resources) as built:
        yield built


def test_partitions_follow_the_accounts_file(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    """Without it, new accounts have no partition to click on; a second tick adds nothing."""
    first = accounts_sensor(context)
    assert isinstance(first, dg.SkipReason)
    keys = installation.instance.get_dynamic_partitions("scalev_customers")
    members = installation.instance.get_dynamic_partitions("ktsp_members")
    assert [*keys, *members] == installation.sandbox.world.accounts
    second = accounts_sensor(context)
    assert isinstance(second, dg.SkipReason)
    assert second.skip_message == "0 partitions added, 0 accounts changed, 0 retired"


def test_a_retired_account_keeps_its_partition(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    """Deleting a key with history breaks Dagster's queries."""
    accounts_sensor(context)
    before = installation.instance.get_dynamic_partitions("ktsp_members")
    head, _, _ = installation.accounts_file.read_text(encoding="utf-8").rpartition("[[ktsp.programmes.members]]")
    installation.accounts_file.write_text(head, encoding="utf-8")
    skipped = accounts_sensor(context)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "0 partitions added, 0 accounts changed, 1 retired"
    assert installation.instance.get_dynamic_partitions("ktsp_members") == before


def test_facts_are_requested_once_pages_wait(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    """Facts follow a crawl by themselves, and nothing is requested when the command line already loaded them."""
    assert isinstance(fetched_pages_sensor(context), dg.SkipReason)
    installation.run("refresh_orders")
    asked, again = fetched_pages_sensor(context), fetched_pages_sensor(context)
    assert isinstance(asked, dg.RunRequest)
    assert isinstance(again, dg.RunRequest)
    assert asked.run_key == again.run_key  # Dagster launches a run key once
    installation.run("load_facts")
    assert isinstance(fetched_pages_sensor(context), dg.SkipReason)


def test_facts_wait_for_a_crawl_that_is_under_way(
    installation: Installation, context: dg.SensorEvaluationContext
) -> None:
    """A load in the middle of a crawl would be followed by another one for the rest."""
    installation.run("refresh_orders")
    installation.instance.create_run_for_job(
        installation.repository.get_job("refresh_orders"), status=dg.DagsterRunStatus.STARTED
    )
    skipped = fetched_pages_sensor(context)
    assert isinstance(skipped, dg.SkipReason)
    assert "refresh_orders" in (skipped.skip_message or "")


def test_touched_months_are_requested_in_stretches(
    installation: Installation, context: dg.SensorEvaluationContext
) -> None:
    """Every month a load touched is recomputed, in few runs; afterwards there is nothing to do."""
    assert isinstance(restated_months_sensor(context), dg.SkipReason)
    installation.run("refresh_orders")
    installation.run("load_facts")
    first = restated_months_sensor(context)
    assert isinstance(first, list)
    with installation.engine.connect() as connection:
        oldest = connection.execute(sa.text("select min(order_month) from ops.touched_months")).scalar_one()
    newest = date.fromisoformat(MONTH_PARTITIONS.get_partition_keys()[-1])
    assert [request.tags for request in first] == [month_range(oldest, newest)]
    assert installation.run("summarise_months", tags=dict(first[0].tags)).success
    assert isinstance(restated_months_sensor(context), dg.SkipReason)

    with installation.engine.begin() as connection:
        connection.execute(
            sa.text(
                "update ops.touched_months set change_number = 1000 where order_month in"
                " (select order_month from ops.touched_months order by order_month limit 3)"
            )
        )
        touched = connection.execute(
            sa.text("select order_month from ops.touched_months where change_number = 1000 order by 1")
        ).scalars().all()  # fmt: skip
    requests = restated_months_sensor(context)
    assert isinstance(requests, list)
    assert [request.tags for request in requests] == [month_range(*stretch) for stretch in stretches(list(touched))]
    for request in requests:
        assert installation.run("summarise_months", tags=dict(request.tags)).success
    assert isinstance(restated_months_sensor(context), dg.SkipReason)


def requests_of(installation: Installation, schedule: dg.ScheduleDefinition) -> list[dg.RunRequest]:
    """Return what a tick of a schedule asks for."""
    at = datetime(2026, 11, 1, 3, tzinfo=UTC)
    resources = {"warehouse": WarehouseResource()}
    with dg.build_schedule_context(
        instance=installation.instance, scheduled_execution_time=at, resources=resources
    ) as context:
        return list(schedule.evaluate_tick(context).run_requests or ())


@pytest.mark.parametrize(("schedule", "is_whole"), [(refresh_orders_hourly, False), (full_crawl_weekly, True)])
def test_a_schedule_crawls_every_account_in_one_run(
    installation: Installation, schedule: dg.ScheduleDefinition, *, is_whole: bool
) -> None:
    """On one machine, a run more only costs time; without it the weekly crawl could quietly become an ordinary one."""
    installation.run("refresh_orders")
    installation.run("load_facts")  # only a history that is known need not be read whole
    (request,) = requests_of(installation, schedule)
    assert installation.run("refresh_orders", config=dict(request.run_config)).success
    assert installation.scalar("select count(*) from ops.crawls") == 2 * len(installation.sandbox.world.accounts)
    assert installation.scalar("select count(distinct run_id) from ops.crawls") == 2
    assert (installation.scalar("select count(*) from ops.crawls where mode = 'head'") == 0) is is_whole


def test_a_schedule_is_shared_between_workers_if_asked_to(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several workers can share runs only: without it, one would crawl everything while the others look on."""
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS_PER_RUN", "3")
    requests = requests_of(installation, refresh_orders_hourly)
    assert len(requests) == len({request.run_key for request in requests}) == 5  # 8 customers and 4 members
    assert requests == requests_of(installation, refresh_orders_hourly), "a tick seen twice launches no run twice"
    for request in requests:
        assert installation.run("refresh_orders", config=dict(request.run_config)).success
    crawled = installation.scalar("select count(*) from ops.crawls")
    assert crawled == len(installation.sandbox.world.accounts)
    assert installation.scalar("select count(distinct partition_key) from ops.crawls") == crawled
    assert installation.scalar("select max(n) from (select count(*) as n from ops.crawls group by run_id) as runs") == 3


@pytest.mark.parametrize("text", ["0", "-3", "many", "2.5", "\N{SUPERSCRIPT TWO}"])
def test_a_wrong_number_of_accounts_per_run_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Without it, a typo would show as a stack trace of Dagster's, or be taken for "all in one run"."""
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS_PER_RUN", text)
    with pytest.raises(SettingsError, match="ORDER_ASSETS_ACCOUNTS_PER_RUN"):
        runtime.accounts_per_run()


@given(MONTHS)
def test_stretches_cover_exactly_the_months(months: list[date]) -> None:
    """A month left out stays wrong, a month too many is work for nothing; neighbours belong in one run."""
    found = list(stretches(months))
    covered = [m for first, last in found for m in each_month(first, last)]
    assert covered == months
    assert all(each_month(a[1], b[0])[1] != b[0] for a, b in pairwise(found))


def each_month(first: date, last: date) -> list[date]:
    """Return the first days of the months from first to last."""
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [date(n // 12, n % 12 + 1, 1) for n in numbers]


def test_summaries_that_change_while_a_report_is_made_make_another(installation: Installation) -> None:
    """Without it, the report would show old sums until something else changes, for hours or days."""
    report, last = dg.AssetKey(["report", "revenue_report"]), dg.AssetKey(["marts", "revenue_daily_dense"])
    cursor, asked = None, []
    for happened in ([], [last], [report, last], [report], []):
        for key in happened:
            installation.instance.report_runless_asset_event(dg.AssetMaterialization(key))
        result = dg.evaluate_automation_conditions(
            defs(), installation.instance, asset_selection=dg.AssetSelection.assets(report), cursor=cursor
        )
        cursor = result.cursor
        asked.append(result.total_requested)
    assert asked == [1, 1, 1, 0, 0]

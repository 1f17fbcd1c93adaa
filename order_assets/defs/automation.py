"""Schedules and sensors. Sensors read our own tables, so nothing is missed after downtime or done twice."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from order_assets import runtime
from order_assets.crawl import accounts
from order_assets.defs.abandoned import absent_runs, end_abandoned_runs
from order_assets.defs.marts.facts import load_facts
from order_assets.defs.marts.summaries import summarise_all, summarise_months
from order_assets.defs.partitions import ACCOUNTS, MONTHS
from order_assets.defs.raw.order_pages import QUIET, refresh_orders
from order_assets.defs.resources import WarehouseResource
from order_assets.settings import SourceSystem
from order_assets.warehouse import summaries
from order_assets.warehouse.ledger_schema import crawls, touched_months

_FOLLOW_SECONDS = 10  # a tick asks our own tables: some hundredths of a second; whoever watches does not wait


@dg.schedule(
    job=refresh_orders,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    description="Crawl every active account at the full hour. Switch it on when your accounts are configured.",
)
def refresh_orders_hourly(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Refresh, with as few requests as can be."""
    yield from crawl_requests(context, warehouse, {})


@dg.schedule(
    job=refresh_orders,
    cron_schedule="0 3 * * 0",
    execution_timezone="UTC",
    description="Crawl every history whole on Sunday night: late edits and deletions of final orders show only there.",
)
def full_crawl_weekly(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Look at the whole of every history."""
    yield from crawl_requests(context, warehouse, {"mode": "full"})


def crawl_requests(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource, how: Mapping[str, object]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Yield the run that crawls every active account, or several of at most `runtime.accounts_per_run` accounts.

    None while the last ones are not through: refreshes that take longer than an hour would queue up without end.
    """
    if context.instance_ref is not None and _under_way(context.instance, "refresh_orders"):
        yield dg.SkipReason("the last refresh is not through")
        return
    at = context.scheduled_execution_time
    most = runtime.accounts_per_run()
    if most is None:
        yield dg.RunRequest(run_config=_crawl_config(dict.fromkeys(ACCOUNTS, how)))
        return
    _ = warehouse.settings  # brings the roster up to date
    with warehouse.engine.connect() as connection:
        active = {source: accounts.active_keys(connection, source) for source in ACCOUNTS}
    for source, keys in active.items():
        for first in range(0, len(keys), most):
            chosen = {
                other: {**how, "accounts": keys[first : first + most] if other == source else []} for other in active
            }
            # A tick that is evaluated again after a crash of the daemon launches no run twice.
            yield dg.RunRequest(run_key=f"{at:%Y-%m-%dT%H:%M}/{source}/{first}", run_config=_crawl_config(chosen))


def _crawl_config(how: Mapping[SourceSystem, Mapping[str, object]]) -> dict[str, object]:
    return {**QUIET, "ops": {f"crawl_{source}": {"config": dict(values)} for source, values in how.items()}}


def sync_partitions(instance: dg.DagsterInstance, connection: sa.Connection) -> int:
    """Add a partition for every account that has none; return how many. Keys with history are never deleted."""
    added = 0
    for source_system, definition in ACCOUNTS.items():
        assert definition.name is not None  # noqa: S101 - both are named
        known = set(instance.get_dynamic_partitions(definition.name))
        new = [key for key in accounts.active_keys(connection, source_system) if key not in known]
        if new:
            instance.add_dynamic_partitions(definition.name, new)  # one statement; requests of a sensor are one each
        added += len(new)
    return added


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps partitions equal to the configured accounts. Accounts that left are retired, never deleted.",
)
def accounts_sensor(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SkipReason:
    """Follow the accounts file."""
    settings = runtime.open_settings()
    with warehouse.engine.begin() as connection:
        change = accounts.sync(connection, settings)
        added = sync_partitions(context.instance, connection)
    absent = absent_runs(context.instance, warehouse.engine)
    before = json.loads(context.cursor or "[]")
    ended = end_abandoned_runs(context.instance, [run_id for run_id in absent if run_id in before])
    context.update_cursor(json.dumps(absent))
    if ended:
        context.log.warning("Called failed, since their processes are gone: %s", ", ".join(ended))
    return dg.SkipReason(f"{added} partitions added, {change.changed} accounts changed, {change.retired} retired")


@dg.sensor(
    job=load_facts,
    minimum_interval_seconds=_FOLLOW_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Loads the facts when finished crawls are waiting, as soon as no crawl run is under way.",
)
def fetched_pages_sensor(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    """Follow the ledger of crawls."""
    waiting = sa.select(sa.func.max(crawls.c.crawl_id), sa.func.count()).where(
        crawls.c.loaded_at.is_(None), crawls.c.status != "running", crawls.c.pages > 0
    )
    with warehouse.engine.connect() as connection:
        newest, count = connection.execute(waiting).one()
    if not count:
        return dg.SkipReason("every finished crawl is in the facts")
    crawling = _under_way(context.instance, "refresh_orders", "retry_failed_accounts", queued=False)
    busy = crawling or _under_way(context.instance, "load_facts", "replay_marts")
    if busy:
        return dg.SkipReason(f"{count} crawls are waiting for {busy} to end")
    # The hour is in the key so that a load that failed is tried again, and a newer crawl is never held up.
    return dg.RunRequest(run_key=f"{newest}@{datetime.now(UTC):%Y-%m-%dT%H}")


@dg.sensor(
    job=summarise_months,
    minimum_interval_seconds=_FOLLOW_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Recomputes the months whose facts changed: one run per stretch of consecutive months.",
)
def restated_months_sensor(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """Follow the months that loads touched."""
    with warehouse.engine.connect() as connection:
        due = due_stretches(connection)
        newest = connection.execute(sa.select(sa.func.max(touched_months.c.change_number))).scalar_one()
    if not due:
        return dg.SkipReason("every summary is up to date")
    busy = _under_way(context.instance, "load_facts", "replay_marts", "summarise_months")
    if busy:
        return dg.SkipReason(f"{len(due)} stretches of months are waiting for {busy} to end")
    latest = context.instance.get_runs(dg.RunsFilter(job_name="load_facts"), limit=1)
    if latest and latest[0].status is dg.DagsterRunStatus.FAILURE:
        return dg.SkipReason("the latest load_facts failed; its checks guard what is published")
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
    return [
        dg.RunRequest(
            run_key=f"{first}..{last}@{newest}@{hour}",
            tags=month_range(first, last),
            run_config={**QUIET, **STALE_MONTHS},
        )
        for first, last in due
    ]


@dg.sensor(
    job=summarise_all,
    minimum_interval_seconds=_FOLLOW_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Computes customers, cohorts and codes when the facts changed, and once a day since ages are in days.",
)
def stale_summaries_sensor(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    """Follow the facts, and the date."""
    now = datetime.now(UTC)
    with warehouse.engine.connect() as connection:
        stale = summaries.stale_tables(connection, now.date())
        waiting = due_stretches(connection)
        newest = connection.execute(sa.select(sa.func.max(touched_months.c.change_number))).scalar_one()
    if not stale:
        return dg.SkipReason("every summary is up to date")
    busy = _under_way(context.instance, "load_facts", "replay_marts", "summarise_months", "summarise_all")
    if busy:
        return dg.SkipReason(f"{len(stale)} summaries are waiting for {busy} to end")
    if waiting:
        return dg.SkipReason(f"{len(stale)} summaries are waiting for the months that changed")
    return dg.RunRequest(
        run_key=f"{newest}@{now:%Y-%m-%dT%H}",
        run_config={**QUIET, **as_of_config(now.date())},
    )


STALE_MONTHS: Mapping[str, object] = {"ops": {"monthly_summaries": {"config": {"only_stale": True}}}}
"""The configuration of `summarise_months` for what changed in the months, rather than all of them."""


def as_of_config(as_of: date) -> dict[str, object]:
    """Return the configuration of `summarise_all` for a date."""
    return {"ops": {"whole_summaries": {"config": {"as_of_date": as_of.isoformat()}}}}


def due_stretches(connection: sa.Connection) -> list[tuple[date, date]]:
    """Return the stretches of months to recompute, as first and last month; none if no facts changed.

    The first time it is one stretch, up to the newest month there is a partition for: Dagster then shows as missing
    only what lies before the first order, and whatever is missing later means something.
    """
    stale = sorted({m for name in summaries.MONTHLY_TABLES for m in summaries.stale_months(connection, name)})
    if stale and summaries.is_first_time(connection):
        return [(stale[0], date.fromisoformat(MONTHS.get_partition_keys()[-1]))]
    return list(stretches(stale)) if stale else []


def _under_way(instance: dg.DagsterInstance, *jobs: str, queued: bool = True) -> str | None:
    """Return the name of one of the jobs that has a run going on, or queued if that counts."""
    states = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    if queued:
        states.append(dg.DagsterRunStatus.QUEUED)
    for job in jobs:
        if instance.get_runs(dg.RunsFilter(job_name=job, statuses=states), limit=1):
            return job
    return None


def stretches(months: list[date]) -> Iterator[tuple[date, date]]:
    """Yield first and last of each stretch of consecutive months (first days, ascending)."""
    first = last = months[0]
    for month in months[1:]:
        if month != (last + timedelta(days=32)).replace(day=1):
            yield first, last
            first = month
        last = month
    yield first, last


def month_range(first: date, last: date) -> dict[str, str]:
    """Return the tags by which Dagster knows a run over a range of months."""
    return {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }

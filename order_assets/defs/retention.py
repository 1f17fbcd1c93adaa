"""What is deleted by age, daily: raw pages (`purge_raw_pages`), and events of Dagster that show nothing any more.

Dagster keeps every event of every run for ever. A thousand accounts an hour leave about 25 MB of events a day. Dagster
purges the ticks of schedules and sensors by itself (dagster.yaml), but has no way to purge events, so its tables are
named here; the version is pinned, and a test holds what must stay: the colour, the metadata and the checks of every
asset and partition.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from order_assets.crawl import retention
from order_assets.crawl.retention import Purged
from order_assets.defs.raw.order_pages import QUIET
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse.sql import statement


@dg.op(out=dg.Out(dg.Nothing))
def old_pages(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    """Delete the bodies of raw pages older than `[policy] raw_retention_days`; the facts they brought stay."""
    days = warehouse.settings.accounts.policy.raw_retention_days

    def tell(purged: Purged) -> None:
        context.log.info("%d pages of %d bytes deleted so far", purged.pages, purged.bytes)

    purged = retention.purge(warehouse.engine, days, on_batch=tell)
    context.add_output_metadata({"pages deleted": purged.pages, "bytes deleted": purged.bytes, "older than days": days})


@dg.job(config=QUIET)
def purge_raw_pages() -> None:
    """Delete the bodies of raw pages that are older than `[policy] raw_retention_days`."""
    old_pages()


purge_raw_pages_daily = dg.ScheduleDefinition(
    name="purge_raw_pages_daily",
    job=purge_raw_pages,
    cron_schedule="15 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Keep personal data no longer than [policy] raw_retention_days says.",
)


@dg.op(out=dg.Out(dg.Nothing))
def old_events(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    """Delete events and runs older than `[retention] dagster_days`, but for what the UI shows as the present."""
    days = warehouse.settings.accounts.retention.dagster_days
    cutoff = datetime.now(UTC) - timedelta(days=days)
    before = {"before": cutoff.replace(tzinfo=None)}  # Dagster stores UTC without saying so
    with warehouse.engine.begin() as connection:
        if connection.execute(sa.select(sa.func.to_regclass("dagster.event_logs"))).scalar_one() is None:
            context.log.warning("Dagster's storage is in another database than the orders: nothing is deleted")
            return
        checks = connection.execute(statement("dagster/purge_checks"), before).rowcount
        events = connection.execute(statement("dagster/purge_events"), before).rowcount
        empty = connection.execute(statement("dagster/empty_runs"), before).scalars().all()
    for run_id in empty:
        context.instance.delete_run(run_id)
    context.add_output_metadata({"events deleted": events, "check results deleted": checks, "runs deleted": len(empty)})
    context.log.info(
        "%d events, %d results of checks and %d runs older than %d days deleted", events, checks, len(empty), days
    )


@dg.job(config=QUIET)
def purge_dagster_history() -> None:
    """Delete events and runs of Dagster that are older than `[retention] dagster_days` and show nothing any more."""
    old_events()


purge_dagster_history_daily = dg.ScheduleDefinition(
    name="purge_dagster_history_daily",
    job=purge_dagster_history,
    cron_schedule="30 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Keep Dagster's own storage from growing for ever.",
)

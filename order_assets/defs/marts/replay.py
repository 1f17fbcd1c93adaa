"""`replay_marts`: facts and summaries derived anew from the raw pages, without the API."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import sqlalchemy as sa
from pydantic import Field

from order_assets.crawl.replay import ReplayCounts, replay
from order_assets.defs.marts.facts import TABLES
from order_assets.defs.marts.shown import shown
from order_assets.defs.marts.tables import mart, row_count
from order_assets.defs.partitions import MONTHS
from order_assets.defs.raw.order_pages import QUIET
from order_assets.defs.raw.partition_events import report
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse.summaries import MONTHLY_TABLES, WHOLE_TABLES


class ReplayConfig(dg.Config):
    """What is derived anew; nothing of it has to be given."""

    since: str | None = Field(
        None, description="Only orders on pages fetched since then: a date or time like 2026-05-01, UTC if not said."
    )


@dg.op(out=dg.Out(dg.Nothing, is_required=False))
def replay_pages(
    context: dg.OpExecutionContext, config: ReplayConfig, warehouse: WarehouseResource
) -> Iterator[dg.AssetMaterialization | dg.Output[None]]:
    """Derive the marts anew in one transaction; readers see them as they were until it ends, and so if it fails."""
    since = None if config.since is None else datetime.fromisoformat(config.since)
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)

    def tell(done: int, total: int) -> None:
        context.log.info("%d of %d crawls derived", done, total)

    counts = replay(warehouse.engine, warehouse.settings, context.run_id, since=since, on_progress=tell)
    with warehouse.engine.connect() as connection:
        for name in TABLES:
            yield dg.AssetMaterialization(
                mart(name),
                description="Derived anew from the raw pages",
                metadata={
                    "dagster/row_count": row_count(connection, name),
                    "crawls derived": counts.crawls,
                    "orders added": counts.added,
                    "orders changed": counts.changed,
                    "orders removed": counts.removed,
                    "orders kept without a page": counts.kept,
                    "crawls that could not be loaded": len(counts.unreadable),
                    "sums of published months changed (ops.restatements)": counts.restated,
                    **shown(connection, name),
                },
            )
        report(context, list(_summaries(connection, counts)))
    yield dg.Output(None)


def _summaries(connection: sa.Connection, counts: ReplayCounts) -> Iterator[dg.AssetMaterialization]:
    """Yield what was recomputed: each month of each summary by period, and the summaries without one."""
    words = "Recomputed from the facts that were derived anew"
    rows = {name: row_count(connection, name) for name in (*MONTHLY_TABLES, *WHOLE_TABLES)}
    if counts.months:
        keys = [f"{month:%Y-%m-%d}" for month in counts.months]
        recomputed = [key for key in MONTHS.get_partition_keys() if keys[0] <= key <= keys[-1]]
        for name in MONTHLY_TABLES:
            for key in recomputed:
                newest = shown(connection, name) if key == recomputed[-1] else {}
                metadata = {"dagster/row_count": dg.MetadataValue.int(rows[name]), **newest}
                yield dg.AssetMaterialization(mart(name), description=words, partition=key, metadata=metadata)
        for name in WHOLE_TABLES:
            metadata = {"dagster/row_count": dg.MetadataValue.int(rows[name]), **shown(connection, name)}
            yield dg.AssetMaterialization(mart(name), description=words, metadata=metadata)


@dg.job(config=QUIET)
def replay_marts() -> None:
    """Rebuild facts and summaries from the raw pages: after a change of policy, time zone, currency or of our code."""
    replay_pages()

"""Events of single partitions: many materialisations in one write, and exactly the failed ones red.

The only module that imports Dagster's internals; its behaviour is pinned by `order_assets_tests/defs/test_raw.py`.
Publicly, a step yields one event per write (40 ms each on PostgreSQL: 80 s for 2,000 accounts instead of 3), and a
partition turns red only if the run planned it, which marks every account of a range, retired ones included.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    DagsterEventBatchMetadata,
    generate_event_batch_id,
)

Context = dg.AssetExecutionContext | dg.OpExecutionContext


def report(context: Context, materializations: Sequence[dg.AssetMaterialization]) -> None:
    """Store materialisations of partitions now, in one write (needs `DAGSTER_EVENT_BATCH_SIZE`)."""
    step = context.get_step_execution_context()
    batch = generate_event_batch_id()  # type: ignore[no-untyped-call]  # Dagster leaves it untyped
    for number, materialization in enumerate(materializations, start=1):
        is_last = number == len(materializations)
        DagsterEvent.asset_materialization(step, materialization, DagsterEventBatchMetadata(batch, is_last))


def mark_failed(context: Context, key: dg.AssetKey, partition: str) -> None:
    """Make the partition red as soon as this run ends in failure, whatever it was before."""
    planned = DagsterEvent.build_asset_materialization_planned_event(
        context.run.job_name,
        context.get_step_execution_context().step.key,
        AssetMaterializationPlannedData(key, partition=partition),
    )
    context.instance.report_dagster_event(planned, run_id=context.run.run_id)

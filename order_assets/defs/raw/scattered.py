"""Backfills over scattered accounts in few runs.

A Dagster run covers one account or one stretch of consecutive ones, so a backfill over every second account of a
thousand would be five hundred runs of one account each. Here the run that is at work crawls the accounts of those still
in the queue as well, and removes them from it when that is done. With one slot per pool (dagster.yaml) they wait until
then; a run that is killed in the middle leaves them where they are.

Where several workers share a backfill (`runtime.accounts_per_run`) runs start side by side, and none takes another's.
"""

import time
from collections.abc import Iterator

import dagster as dg

from order_assets import runtime

_BACKFILL = "dagster/backfill"  # Dagster's tags have no public names
_PARTITION = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_LOOK_AGAIN_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0


def rounds(context: dg.AssetExecutionContext) -> Iterator[list[str]]:
    """Yield the accounts of this run with those that wait, and then, as long as there are any, those that came since.

    A backfill that is still handing out runs is waited for, unless nothing comes for a minute.
    """
    keys = list(context.partition_keys)
    if runtime.accounts_per_run() is not None or _BACKFILL not in context.run.tags:
        yield keys
        return
    waited = 0.0
    while True:
        waiting = _waiting(context)
        keys += [key for mine in waiting.values() for key in mine]
        if keys:
            yield keys
            for run_id in waiting:  # not before: what is in the queue is crawled, whatever becomes of this run
                context.instance.delete_run(run_id)
            keys, waited = [], 0.0
        elif _is_handing_out(context) and waited < _PATIENCE_SECONDS:
            time.sleep(_LOOK_AGAIN_SECONDS)
            waited += _LOOK_AGAIN_SECONDS
        else:
            return


def _waiting(context: dg.AssetExecutionContext) -> dict[str, list[str]]:
    """Return the runs of the same backfill and asset that are in the queue, with their accounts."""
    run = context.run
    order = context.instance.get_dynamic_partitions(_partitions_name(context))
    queued = dg.RunsFilter(tags={_BACKFILL: run.tags[_BACKFILL]}, statuses=[dg.DagsterRunStatus.QUEUED])
    found = {
        other.run_id: _accounts_of(other.tags, order)
        for other in context.instance.get_runs(queued, ascending=True)
        if other.asset_selection == run.asset_selection and other.run_config == run.run_config
    }
    return {run_id: keys for run_id, keys in found.items() if keys}


def _partitions_name(context: dg.AssetExecutionContext) -> str:
    definition = context.assets_def.partitions_def
    assert isinstance(definition, dg.DynamicPartitionsDefinition)  # noqa: S101 - both raw assets have one
    assert definition.name is not None  # noqa: S101 - with a name
    return definition.name


def _accounts_of(tags: dict[str, str], order: list[str]) -> list[str]:
    """Return the accounts a run is for: one, or from the first to the last in the order of the partitions."""
    if _PARTITION in tags:
        return [tags[_PARTITION]]
    if tags.get(_FIRST) not in order or tags.get(_LAST) not in order:
        return []
    return order[order.index(tags[_FIRST]) : order.index(tags[_LAST]) + 1]


def _is_handing_out(context: dg.AssetExecutionContext) -> bool:
    """Whether the backfill has runs left that are not in the queue yet."""
    found = context.instance.get_backfill(context.run.tags[_BACKFILL])
    return found is not None and bool(found.submitting_run_requests)

"""Backfills over scattered accounts in few runs.

A Dagster run covers one account or one stretch of consecutive ones, so a backfill over every second account of a
thousand would be five hundred runs of one account each. Here the run that is at work takes the accounts of those still
in the queue along and removes them from it. With one slot per pool (dagster.yaml) they wait until it has looked.

Nothing can be lost: a run that is gone from the queue is one whose accounts are being crawled, and if the one that
took them is killed, Dagster calls the backfill failed, and `retry_failed_accounts` crawls what was not.
"""

import time
from collections.abc import Iterator

import dagster as dg
import sqlalchemy as sa

from order_assets import runtime

_BACKFILL = "dagster/backfill"  # Dagster's tags have no public names
_PARTITION = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_TAKING_LOCK = 7_205_104  # any number; the same for all runs that take others along
_LOOK_AGAIN_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0


def rounds(context: dg.AssetExecutionContext, engine: sa.Engine) -> Iterator[list[str]]:
    """Yield the accounts of this run with those that wait, and then, as long as there are any, those that came since.

    A backfill that is still handing out runs is waited for, unless nothing comes for a minute.
    """
    most = runtime.accounts_per_run()
    keys = list(context.partition_keys)
    taken = 0
    waited = 0.0
    while True:
        room = None if most is None else most - taken - len(keys)
        keys += _take_along(context, engine, room)
        if keys:
            yield keys
            taken, keys, waited = taken + len(keys), [], 0.0
        elif _is_handing_out(context) and waited < _PATIENCE_SECONDS and (most is None or taken < most):
            time.sleep(_LOOK_AGAIN_SECONDS)
            waited += _LOOK_AGAIN_SECONDS
        else:
            return


def _take_along(context: dg.AssetExecutionContext, engine: sa.Engine, room: int | None) -> list[str]:
    """Remove runs of the same backfill and asset from the queue, up to so many accounts; return their accounts."""
    run = context.run
    backfill = run.tags.get(_BACKFILL)
    if backfill is None:
        return []
    order = context.instance.get_dynamic_partitions(_partitions_name(context))
    taken: list[str] = []
    with engine.begin() as connection:  # two runs at work must not take the same one
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_TAKING_LOCK)))
        waiting = dg.RunsFilter(tags={_BACKFILL: backfill}, statuses=[dg.DagsterRunStatus.QUEUED])
        for other in context.instance.get_runs(waiting, ascending=True):
            keys = _accounts_of(other.tags, order)
            is_alike = other.asset_selection == run.asset_selection and other.run_config == run.run_config
            if not is_alike or not keys or (room is not None and len(taken) + len(keys) > room):
                continue
            context.instance.delete_run(other.run_id)
            taken += keys
    return taken


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
    backfill = context.run.tags.get(_BACKFILL)
    found = None if backfill is None else context.instance.get_backfill(backfill)
    return found is not None and bool(found.submitting_run_requests)

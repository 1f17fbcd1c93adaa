"""Summaries: whole groups recomputed from the facts, only rows that differ written.

Those by period are partitioned by month and are one step, those without are another: they share the date at which ages
are taken.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from order_assets.defs.marts.shown import shown
from order_assets.defs.marts.tables import dense_spec, mart, mart_spec, row_count
from order_assets.defs.partitions import MONTHS
from order_assets.defs.raw.order_pages import QUIET
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse import summaries
from order_assets.warehouse.engine import STATEMENTS_AT_ONCE
from order_assets.warehouse.load import analyze_unknown

_LIFECYCLE, _DISCOUNTS, _LINES = "order_lifecycle", "discount_facts", "order_line_facts"
_PLACES: dict[str, tuple[str, str | None]] = {
    "revenue_daily": ("revenue", _LIFECYCLE),
    "revenue_monthly": ("revenue", _LIFECYCLE),
    "revenue_movements_daily": ("revenue", _LIFECYCLE),
    "lifecycle_monthly": ("revenue", _LIFECYCLE),
    "status_funnel_monthly": ("revenue", None),
    "discount_by_kind_daily": ("discounts", _DISCOUNTS),
    "discount_by_kind_monthly": ("discounts", _DISCOUNTS),
    "discount_by_code": ("discounts", _DISCOUNTS),
    "discount_by_code_monthly": ("discounts", _DISCOUNTS),
    "product_daily": ("products", _LINES),
    "product_monthly": ("products", _LINES),
    "customer_summary": ("customers", None),
    "repeat_rate": ("customers", None),
    "customer_cohort_monthly": ("customers", None),
}
DENSE = "revenue_daily_dense"
_SLOWEST = "lifecycle_monthly"  # percentiles; begun first, so that it does not go on alone in the end


def _spec(name: str, partitions_def: dg.PartitionsDefinition[str] | None) -> dg.AssetSpec:
    group, more = _PLACES[name]
    deps = [mart("order_facts"), *([mart(more)] if more else [])]
    return mart_spec(name, group=group, deps=deps, made_by="sql", partitions_def=partitions_def)


def _counts(counts: summaries.SummaryCounts, total: int) -> dict[str, int]:
    return {
        "dagster/row_count": total,
        "rows recomputed": counts.rows,
        "rows written": counts.written,
        "rows removed": counts.removed,
    }


class MonthsConfig(dg.Config):
    """How much of the months is computed."""

    only_stale: bool = Field(
        default=False,
        description="Only what changed since the summaries last followed the facts, as schedules and sensors ask for;"
        " else all of the months, so that a click repairs whatever is wrong in them.",
    )


@dg.multi_asset(
    name="monthly_summaries",
    specs=[_spec(name, MONTHS) for name in summaries.MONTHLY_TABLES],
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
)
def monthly_summaries(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, config: MonthsConfig
) -> Iterator[dg.MaterializeResult[None]]:
    """Recompute the chosen summaries for the chosen months, each in a transaction of its own, some at a time."""
    first, last = (date.fromisoformat(context.partition_keys[i]) for i in (0, -1))
    chosen = {key.path[-1] for key in context.selected_asset_keys}
    in_turn = sorted(chosen, key=lambda name: (name != _SLOWEST, summaries.MONTHLY_TABLES.index(name)))
    engine = warehouse.engine  # made here, not in both threads

    def recompute(name: str) -> summaries.SummaryCounts:
        with engine.begin() as connection:
            return summaries.summarise(connection, name, first, last, context.run.run_id, only_stale=config.only_stale)

    errors: list[BaseException] = []
    with ThreadPoolExecutor(STATEMENTS_AT_ONCE) as threads, engine.connect() as connection:
        work = {threads.submit(recompute, name): name for name in in_turn}
        for done in as_completed(work):  # pictures are drawn here while the server is at work on others
            error, name = done.exception(), work[done]
            if error is not None:
                errors.append(error)
                continue
            # On the newest month alone: metadata of the result are stored once per month, for ever.
            newest = context.partition_keys[-1]
            context.add_asset_metadata(shown(connection, name), asset_key=mart(name), partition_key=newest)
            counted = _counts(done.result(), row_count(connection, name))
            connection.commit()  # so that it does not wait within a transaction
            yield dg.MaterializeResult(asset_key=mart(name), metadata=counted)
    for error in errors:
        raise error
    with engine.begin() as connection:
        analyze_unknown(connection)  # the checks come next


class WholeConfig(dg.Config):
    """How the summaries without a period are computed."""

    as_of_date: str | None = Field(
        default=None,
        description="Date (YYYY-MM-DD) at which ages are taken and calendars end; today in UTC unless given.",
    )

    def as_of(self) -> date:
        """Return the date given, else today's in UTC."""
        return date.fromisoformat(self.as_of_date) if self.as_of_date else datetime.now(UTC).date()


@dg.multi_asset(
    name="whole_summaries",
    specs=[*(_spec(name, None) for name in summaries.WHOLE_TABLES), dense_spec(DENSE, group="revenue")],
    can_subset=True,
)
def whole_summaries(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, config: WholeConfig
) -> Iterator[dg.MaterializeResult[None]]:
    """Compute customers, cohorts and codes over all dates, and move the end of the dense calendar."""
    as_of, run_id = config.as_of(), context.run.run_id
    chosen = {key.path[-1] for key in context.selected_asset_keys}
    done: dict[str, dict[str, int]] = {}
    with warehouse.engine.begin() as connection:
        for name in [name for name in summaries.WHOLE_TABLES if name in chosen]:
            counts = summaries.summarise_whole(connection, name, as_of, run_id)
            done[name] = _counts(counts, row_count(connection, name))
        if DENSE in chosen:
            summaries.set_as_of(connection, as_of, run_id)
            done[DENSE] = {"dagster/row_count": row_count(connection, DENSE)}
    with warehouse.engine.connect() as connection:
        for name, counted in done.items():
            seen: dict[str, Any] = {**counted, "as of": as_of.isoformat(), **shown(connection, name)}
            yield dg.MaterializeResult(asset_key=mart(name), metadata=seen)


summarise_months = dg.define_asset_job(
    "summarise_months",
    selection=dg.AssetSelection.assets(*(mart(name) for name in summaries.MONTHLY_TABLES)),
    description="Recompute the summaries of a range of months, and check them.",
    config=QUIET,
)

summarise_all = dg.define_asset_job(
    "summarise_all",
    selection=dg.AssetSelection.assets(*(mart(name) for name in (*summaries.WHOLE_TABLES, DENSE))),
    description="Compute the summaries that have no period, taken at a date, and check them.",
    config=QUIET,
)

"""Summaries by month: whole months recomputed from the facts, only rows that differ written."""

from datetime import date

import dagster as dg

from order_assets.defs.marts.tables import mart, mart_spec, row_count
from order_assets.defs.partitions import MONTHS
from order_assets.defs.raw.order_pages import QUIET
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse import summaries

GROUPS = {"revenue_daily": "revenue", "discount_by_kind_monthly": "discounts"}
_FROM = {
    "revenue_daily": [mart("order_facts"), mart("order_lifecycle")],
    "discount_by_kind_monthly": [mart("order_facts"), mart("discount_facts")],
}


def _monthly(name: str) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=name,
        specs=[mart_spec(name, group=GROUPS[name], deps=_FROM[name], partitions_def=MONTHS)],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def summary(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
        first, last = (date.fromisoformat(context.partition_keys[i]) for i in (0, -1))
        with warehouse.engine.begin() as connection:
            counts = summaries.summarise(connection, name, first, last, context.run.run_id)
            total = row_count(connection, name)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": total,
                "rows of these months": counts.rows,
                "rows written": counts.written,
                "rows removed": counts.removed,
            }
        )

    return summary


revenue_daily = _monthly("revenue_daily")
discount_by_kind_monthly = _monthly("discount_by_kind_monthly")

summarise_months = dg.define_asset_job(
    "summarise_months",
    selection=dg.AssetSelection.groups(*GROUPS.values()),
    description="Recompute the summaries of a range of months, and check them.",
    config=QUIET,
)

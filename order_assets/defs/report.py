"""The report as an asset: made again, by declarative automation, whenever the summaries were."""

from datetime import UTC, datetime

import dagster as dg

from order_assets.defs.marts.summaries import DENSE
from order_assets.defs.marts.tables import mart
from order_assets.defs.resources import WarehouseResource
from order_assets.report.location import report_file
from order_assets.report.page import page, write
from order_assets.warehouse.summaries import SUMMARIES

# What is computed last tells that all of them changed: each time is one report. Conditions that remember a change until
# it is dealt with, such as eager, forget one that comes between two looks while a report is asked for or made.
_WHEN_SUMMARIES_CHANGED = dg.AutomationCondition.newly_missing() | dg.AutomationCondition.any_deps_updated().allow(
    dg.AssetSelection.assets(mart(DENSE))
)


@dg.multi_asset(
    name="revenue_report",
    specs=[
        dg.AssetSpec(
            ["report", "revenue_report"],
            deps=[mart(name) for name in (*SUMMARIES, DENSE)],
            description="One self-contained HTML file for people who do not use this UI: revenue and discounts, stores,"
            " cohorts, lifecycle, accounts, restatements and checks. `order-assets report` writes it too.",
            group_name="revenue",
            kinds={"python", "html"},
            owners=["team:analytics"],
            tags={"layer": "report"},
            code_version="1",
            automation_condition=_WHEN_SUMMARIES_CHANGED,
        )
    ],
)
def revenue_report(warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Write the report into the state folder; its checks are run now, since what they found before may be long ago."""
    with warehouse.engine.connect() as connection:
        html = page(connection, warehouse.settings.accounts.checks.model_dump(), datetime.now(UTC))
    write(report_file(), html)
    return dg.MaterializeResult(metadata={"report": dg.MetadataValue.path(report_file()), "bytes": len(html.encode())})


report_automation = dg.AutomationConditionSensorDefinition(
    "report_automation",
    target=dg.AssetSelection.assets(["report", "revenue_report"]),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes the report again when the summaries were.",
)

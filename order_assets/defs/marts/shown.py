"""What people see of a mart after a step: a preview, pictures, and the way to the report.

Found out with the UI of Dagster 1.13.27 in a browser without a network: Markdown may hold a picture as a `data:`
link, PNG or SVG, and nothing else that draws; Markdown of 1,000 characters or more is behind "[Show Markdown]";
tables are always shown. Pictures are SVG: smaller, sharp, and PostgreSQL compresses them.
"""

from collections.abc import Callable

import dagster as dg
import sqlalchemy as sa

from order_assets.report import data, plots
from order_assets.report.drawing import Picture, as_data_uri
from order_assets.report.glance import glance
from order_assets.report.location import report_path
from order_assets.report.previews import preview

Shown = dict[str, dg.MetadataValue]


def shown(connection: sa.Connection, name: str) -> Shown:
    """Return what the UI shows of a mart beside its counts; reads summaries and the ledger, writes nothing."""
    found = {**_PICTURES.get(name, _nothing)(connection), **_preview(connection, name)}
    report = report_path()
    return found if report is None else {**found, "report": dg.MetadataValue.path(report)}


def _preview(connection: sa.Connection, name: str) -> Shown:
    few = preview(connection, name)
    schema = dg.TableSchema([dg.TableColumn(column, "string") for column in few.columns])
    records = [dg.TableRecord(dict(zip(few.columns, row, strict=True))) for row in few.rows]
    return {"preview": dg.MetadataValue.table(records, schema)}


def _plot(picture: Picture) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![{picture.title}](<{picture.data_uri()}>)")


def _revenue(trend: data.RevenueTrend) -> Shown:
    found: Shown = {}
    for currency, points in trend.series.items():
        newest = f"{points[-1].net_sales:,.2f} {currency} in the newest {trend.grain}, {_period(points[-1], trend)}"
        bars = as_data_uri(glance([point.net_sales for point in points]))
        found[f"net sales {currency}"] = dg.MetadataValue.md(f"{newest}\n\n![net sales by {trend.grain}](<{bars}>)")
    return {**found, "plot": _plot(plots.revenue_trend(trend))}


def _period(point: data.Revenue, trend: data.RevenueTrend) -> str:
    return f"{point.period:%Y-%m-%d}" if trend.grain == "day" else f"{point.period:%Y-%m}"


def _accounts(connection: sa.Connection) -> Shown:
    health = data.account_health(connection)
    oldest = health.oldest_success
    rows = [
        *((source, f"last crawl {name}", n) for source, by in health.verdicts.items() for name, n in by.items()),
        *(("all", f"not complete because {reason}", n) for reason, n in health.reasons.items()),
        *(("all", f"state {state}", n) for state, n in health.states.items()),
    ]
    records = [dg.TableRecord({"source": source, "accounts": what, "number": n}) for source, what, n in rows]
    columns = [dg.TableColumn("source"), dg.TableColumn("accounts"), dg.TableColumn("number", "int")]
    complete = sum(by.get("complete", 0) for by in health.verdicts.values())
    return {
        "accounts": dg.MetadataValue.table(records, dg.TableSchema(columns)),
        "accounts not complete": dg.MetadataValue.int(health.total - complete),
        "oldest complete crawl": dg.MetadataValue.text(
            "none" if oldest is None else f"{oldest[1]:%Y-%m-%d %H:%M} UTC, {oldest[0]}"
        ),
        "plot": _plot(plots.account_health(health)),
    }


def _nothing(_connection: sa.Connection) -> Shown:
    return {}


_PICTURES: dict[str, Callable[[sa.Connection], Shown]] = {
    "order_facts": _accounts,
    "revenue_monthly": lambda connection: _revenue(data.revenue_by_month(connection)),
    "revenue_daily": lambda connection: _revenue(data.revenue_by_day(connection)),
    "discount_by_kind_monthly": lambda connection: {"plot": _plot(plots.discount_mix(data.discount_mix(connection)))},
    "customer_cohort_monthly": lambda connection: {"plot": _plot(plots.cohort_heat_map(data.retention(connection)))},
    "lifecycle_monthly": lambda connection: {"plot": _plot(plots.lifecycle_percentiles(data.lifecycle(connection)))},
}

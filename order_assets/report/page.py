"""The report: one HTML file with the pictures and tables, which needs no network and can be printed.

Text of others is escaped by the template (`page.html.jinja`), and cleaned of control and direction characters.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import jinja2
import sqlalchemy as sa
from markupsafe import Markup

from order_assets.report import data, plots, tables
from order_assets.report.drawing import Picture, plain
from order_assets.warehouse import checks
from order_assets.warehouse.metrics_registry import REGISTRY

_LONGEST_TEXT = 300


def page(
    connection: sa.Connection, limits: dict[str, float], now: datetime, known: checks.Findings | None = None
) -> str:
    """Return the report as HTML; reads summaries, ledger and checks, writes nothing.

    Args:
        connection: to the database.
        limits: the settings of `[checks]`, by which a finding is a warning or an error.
        now: when the report is made (aware UTC).
        known: what checks found a moment ago; the others are run.
    """
    health = data.account_health(connection)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("order_assets.report", ""), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "amount": lambda value: "" if value is None else f"{value:,.2f}",
        "share": _share,
        "clean": lambda text: plain(str(text), _LONGEST_TEXT),
        "instant": lambda value: "never" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "svg": _inline,
    }
    return environment.get_template("page.html.jinja").render(
        now=now,
        taken_at=tables.taken_at(connection),
        totals=tables.totals(connection),
        stores=tables.by_store(connection),
        codes=tables.codes(connection),
        troubled=tables.troubled(connection),
        restated=tables.restated(connection),
        health=health,
        checks=_findings(connection, limits, known or {}),
        measures={m.name: m.description for m in REGISTRY["revenue_daily"] if m.published},
        pictures={
            "months": plots.revenue_trend(data.revenue_by_month(connection)),
            "days": plots.revenue_trend(data.revenue_by_day(connection)),
            "discounts": plots.discount_mix(data.discount_mix(connection)),
            "cohorts": plots.cohort_heat_map(data.retention(connection)),
            "lifecycle": plots.lifecycle_percentiles(data.lifecycle(connection)),
            "accounts": plots.account_health(health),
        },
    )


def write(path: Path, html: str) -> None:
    """Write the report in one go: a reader sees the old or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(mine, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(html)
        mine.replace(path)
    finally:
        mine.unlink(missing_ok=True)


def _findings(
    connection: sa.Connection, limits: dict[str, float], known: checks.Findings
) -> list[tuple[checks.Check, checks.Finding, str]]:
    """Return every check with what it found, the worst first."""
    found = []
    for check in checks.CHECKS:
        finding = known.get(check.key) or checks.find(connection, check, limits)
        level = checks.severity(check, finding, limits) if finding.failing else "ok"
        found.append((check, finding, level))
    return sorted(found, key=lambda each: (["error", "warn", "ok"].index(each[2]), each[0].number))


def _share(part: Decimal, whole: Decimal) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _inline(picture: Picture) -> Markup:
    # Made by us; what is others' in it is escaped by the drawing. An XML declaration has no place within HTML.
    return Markup(picture.svg[picture.svg.index("<svg") :])  # noqa: S704 - see above

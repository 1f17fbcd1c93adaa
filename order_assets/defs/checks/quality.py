"""Data-quality checks: one asset check per entry of `warehouse.checks.CHECKS`, one step per group of tables.

The facts are written in one step, so they are checked in one; each summary is checked as soon as it is written.
"""

from collections.abc import Iterator

import dagster as dg

from order_assets.defs.marts import facts
from order_assets.defs.marts.tables import mart
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse import checks

_SEVERITY = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}
_GROUPS = {check.table: "facts" if check.table in facts.TABLES else check.table for check in checks.CHECKS}


def _spec(check: checks.Check) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=mart(check.table),
        description=f"{check.description} (check {check.number})",
        blocking=check.is_blocking,
        additional_deps=[mart(name) for name in check.reads],
    )


def _result(check: checks.Check, finding: checks.Finding, limits: dict[str, float]) -> dg.AssetCheckResult:
    limit = {"error above (percent)": limits[check.limit]} if check.limit else {}
    return dg.AssetCheckResult(
        passed=finding.failing == 0,
        asset_key=mart(check.table),
        check_name=check.name,
        severity=_SEVERITY[checks.severity(check, finding, limits)],
        description=f"{finding.failing} of {finding.total} violate it" if finding.failing else "nothing violates it",
        metadata={
            "failing": finding.failing,
            "total": finding.total,
            "examples": list(finding.examples),
            **limit,
        },
    )


def _checks_of(group: str) -> dg.AssetChecksDefinition:
    mine = [check for check in checks.CHECKS if _GROUPS[check.table] == group]

    @dg.multi_asset_check(name=f"check_{group}", specs=[_spec(check) for check in mine], can_subset=True)
    def run(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
        limits = warehouse.settings.accounts.checks.model_dump()
        wanted = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
        for check in mine:
            if (mart(check.table), check.name) in wanted:
                with warehouse.engine.connect() as connection:
                    finding = checks.find(connection, check, limits)
                yield _result(check, finding, limits)

    return run


quality_checks = [_checks_of(group) for group in dict.fromkeys(_GROUPS.values())]

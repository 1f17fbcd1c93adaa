"""Data-quality checks: one asset check per entry of `warehouse.checks.CHECKS`."""

import dagster as dg

from order_assets.defs.marts.tables import mart
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse import checks

_SEVERITY = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}


def _asset_check(check: checks.Check) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=mart(check.table),
        name=check.name,
        description=check.description,
        blocking=check.severity == "error",
    )
    def run(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        with warehouse.engine.connect() as connection:
            finding = checks.find(connection, check)
        return dg.AssetCheckResult(
            passed=finding.failing == 0,
            severity=_SEVERITY[check.severity],
            description=f"{finding.failing} rows violate it" if finding.failing else "holds for every row",
            metadata={"failing": finding.failing, "examples": list(finding.examples)},
        )

    return run


quality_checks = [_asset_check(check) for check in checks.CHECKS]

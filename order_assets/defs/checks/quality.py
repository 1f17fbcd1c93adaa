"""Data-quality checks: one asset check per entry of `warehouse.checks.CHECKS`, one step per group of tables.

The tables that are written in one step are checked in one: facts, summaries by month, those without a period.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from order_assets.defs.marts import facts
from order_assets.defs.marts.tables import mart
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse import checks
from order_assets.warehouse.engine import STATEMENTS_AT_ONCE
from order_assets.warehouse.summaries import MONTHLY_TABLES, WHOLE_TABLES

_SEVERITY = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}
_GROUPS = {
    **dict.fromkeys(facts.TABLES, "facts"),
    **dict.fromkeys(MONTHLY_TABLES, "monthly_summaries"),
    **dict.fromkeys(WHOLE_TABLES, "whole_summaries"),
}


def _key(check: checks.Check) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(mart(check.table), check.name)


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
        wanted = [check for check in mine if _key(check) in context.selected_asset_check_keys]

        engine = warehouse.engine  # made here, not in both threads

        def find(check: checks.Check) -> checks.Finding:
            with engine.connect() as connection:
                return checks.find(connection, check, limits)

        with ThreadPoolExecutor(STATEMENTS_AT_ONCE) as threads:
            for check, finding in zip(wanted, threads.map(find, wanted), strict=True):
                yield _result(check, finding, limits)

    return run


def findings_of(evaluations: Iterable[dg.AssetCheckEvaluation]) -> checks.Findings:
    """Return what checks of a run found."""
    found: dict[tuple[str, str], checks.Finding] = {}
    for evaluation in evaluations:
        failing, total, examples = (evaluation.metadata[name].value for name in ("failing", "total", "examples"))
        if isinstance(failing, int) and isinstance(total, int) and isinstance(examples, list):
            key = evaluation.asset_key.path[-1], evaluation.check_name
            found[key] = checks.Finding(failing, tuple(map(str, examples)), total)
    return found


quality_checks = [_checks_of(group) for group in dict.fromkeys(_GROUPS.values())]

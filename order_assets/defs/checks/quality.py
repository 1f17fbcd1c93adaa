"""Data-quality checks: one asset check per entry of `warehouse.checks.CHECKS`, one step per group of tables.

The tables that are written in one step are checked in one: facts, summaries by month, those without a period.
"""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from order_assets.defs.marts import facts
from order_assets.defs.marts.tables import mart
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse import checks, unchanged
from order_assets.warehouse.engine import STATEMENTS_AT_ONCE
from order_assets.warehouse.summaries import MONTHLY_TABLES, WHOLE_TABLES

_READ = "fingerprint of what it read"
_AS_BEFORE = ", as before: no table it reads was written since"
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


def _result(
    check: checks.Check, finding: checks.Finding, limits: dict[str, float], fingerprint: str | None, *, is_new: bool
) -> dg.AssetCheckResult:
    limit = {"error above (percent)": limits[check.limit]} if check.limit else {}
    read = {_READ: fingerprint} if fingerprint else {}
    found = f"{finding.failing} of {finding.total} violate it" if finding.failing else "nothing violates it"
    return dg.AssetCheckResult(
        passed=finding.failing == 0,
        asset_key=mart(check.table),
        check_name=check.name,
        severity=_SEVERITY[checks.severity(check, finding, limits)],
        description=found if is_new else f"{found}{_AS_BEFORE}",
        metadata={
            "failing": finding.failing,
            "total": finding.total,
            "examples": list(finding.examples),
            **limit,
            **read,
        },
    )


def _checks_of(group: str) -> dg.AssetChecksDefinition:
    mine = [check for check in checks.CHECKS if _GROUPS[check.table] == group]

    @dg.multi_asset_check(name=f"check_{group}", specs=[_spec(check) for check in mine], can_subset=True)
    def run(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
        limits = warehouse.settings.accounts.checks.model_dump()
        wanted = [check for check in mine if _key(check) in context.selected_asset_check_keys]

        engine = warehouse.engine  # made here, not in both threads
        with engine.connect() as connection:
            now = unchanged.states(connection)
        read = {check.key: unchanged.fingerprint(check, limits, now) for check in wanted}
        # Whoever asks for checks alone wants them to look.
        is_refresh = bool(context.job_def.asset_layer.selected_asset_keys)
        known = _found_before(context.instance, wanted, read) if is_refresh else {}

        of_orders = [check for check in wanted if check.key not in known and check.condition is not None]

        def find_together() -> checks.Findings:
            with engine.connect() as connection:
                return checks.find_together(connection, of_orders, limits)

        def find(check: checks.Check) -> checks.Finding:
            if check.key in known:
                return known[check.key]
            if check in of_orders:
                return together.result()[check.key]
            with engine.connect() as connection:
                return checks.find(connection, check, limits)

        with ThreadPoolExecutor(STATEMENTS_AT_ONCE) as threads:
            together = threads.submit(find_together)
            for check, finding in zip(wanted, threads.map(find, wanted), strict=True):
                yield _result(check, finding, limits, read[check.key], is_new=check.key not in known)

    return run


def _found_before(
    instance: dg.DagsterInstance, wanted: Collection[checks.Check], read: Mapping[tuple[str, str], str | None]
) -> dict[tuple[str, str], checks.Finding]:
    """Return what checks found last, as far as what they read is the same now."""
    found = {}
    for check in wanted:
        if read[check.key] is None:
            continue
        # The newest is the one that this run has planned.
        for record in instance.event_log_storage.get_asset_check_execution_history(_key(check), limit=2):
            evaluation = _evaluation(record.event)
            fingerprint = evaluation.metadata.get(_READ) if evaluation is not None else None
            if evaluation is not None and fingerprint is not None and fingerprint.value == read[check.key]:
                found[check.key] = _finding(evaluation)
    return found


def last_findings(instance: dg.DagsterInstance) -> checks.Findings:
    """Return what each check found when it ran last, if its table was not written since; the others are left out."""
    storage = instance.event_log_storage
    stored = storage.get_latest_asset_check_execution_by_key([_key(check) for check in checks.CHECKS])
    written = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization_storage_id
        for record in storage.get_asset_records(list({mart(check.table) for check in checks.CHECKS}))
    }
    found: dict[tuple[str, str], checks.Finding] = {}
    for check in checks.CHECKS:
        record = stored.get(_key(check))
        evaluation = _evaluation(record.event) if record is not None else None
        of = evaluation.target_materialization_data if evaluation is not None else None
        if evaluation is not None and of is not None and of.storage_id == written.get(mart(check.table)):
            found[check.key] = _finding(evaluation)
    return found


def _evaluation(entry: dg.EventLogEntry | None) -> dg.AssetCheckEvaluation | None:
    """Return what a check told; None, if it never ended."""
    event = entry.dagster_event if entry is not None else None
    if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return None
    return event.asset_check_evaluation_data


def _finding(evaluation: dg.AssetCheckEvaluation) -> checks.Finding:
    failing, total, examples = (evaluation.metadata[name].value for name in ("failing", "total", "examples"))
    assert isinstance(failing, int) and isinstance(total, int) and isinstance(examples, list)  # noqa: S101, PT018 - ours
    return checks.Finding(failing, tuple(map(str, examples)), total)


quality_checks = [_checks_of(group) for group in dict.fromkeys(_GROUPS.values())]

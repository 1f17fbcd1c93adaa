"""`order-assets run`: the whole job as real Dagster runs in this process, and its outcome as data.

The runs are those the UI launches (`refresh_orders`, `load_facts`, `summarise_months`, `summarise_all`) and are kept in
the same storage. What is printed of the outcome is in `cli`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, get_args

import dagster as dg
import sqlalchemy as sa

from order_assets.crawl import accounts, progress
from order_assets.definitions import defs
from order_assets.defs.abandoned import PROCESS_TAG, end_abandoned_runs, this_process
from order_assets.defs.automation import STALE_MONTHS, as_of_config, due_stretches, month_range, sync_partitions
from order_assets.defs.checks.quality import last_findings
from order_assets.defs.connections import keep_connections
from order_assets.defs.raw.order_pages import QUIET
from order_assets.report.tables import Totals, totals
from order_assets.settings import Settings, SourceSystem
from order_assets.warehouse import summaries
from order_assets.warehouse.checks import Findings
from order_assets.warehouse.engine import place_of
from order_assets.warehouse.ledger_schema import crawls

SOURCES: tuple[SourceSystem, ...] = get_args(SourceSystem)
_LONGEST_CAUSE = 300


Interrupted = dg.DagsterExecutionInterruptedError
"""What a run raises when it is stopped while Dagster is at work."""


class RunFailedError(RuntimeError):
    """A Dagster run failed for another reason than incomplete accounts; the message says which and where to look."""


@dataclass(frozen=True, slots=True)
class AccountOutcome:
    """How the crawl of one account ended, from the ledger."""

    source_system: str
    partition_key: str
    status: str
    reason: str
    words: str
    requests: int
    pages: int
    orders_seen: int
    orders_new: int
    orders_changed: int
    mode: str
    requests_saved: int
    resume_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did and what the data say now; `findings`: what the checks found."""

    accounts: tuple[AccountOutcome, ...]
    revenue: tuple[Totals, ...]
    months_recomputed: tuple[date, ...]
    run_ids: tuple[str, ...]
    findings: Findings

    @property
    def unfinished(self) -> tuple[AccountOutcome, ...]:
        """Accounts whose crawl did not end complete."""
        return tuple(account for account in self.accounts if account.status != "complete")


def chosen_accounts(
    engine: sa.Engine, *, source: str | None, keys: Collection[str], failed_only: bool
) -> dict[str, list[str]]:
    """Return the accounts to crawl by source, in the order of the roster.

    Raises:
        KeyError: a key is not an active account.
    """
    with engine.connect() as connection:
        chosen: dict[str, list[str]] = {}
        for system in SOURCES:
            active = accounts.active_keys(connection, system) if source in {None, system} else []
            wanted = accounts.unfinished_keys(connection, system) if failed_only else set(active)
            chosen[system] = [key for key in active if key in wanted and (not keys or key in keys)]
        unknown = set(keys) - {key for system in SOURCES for key in accounts.active_keys(connection, system)}
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    return chosen


def refresh(  # noqa: PLR0913 - the choices of the command, all by name
    engine: sa.Engine,
    settings: Settings,
    chosen: Mapping[str, Collection[str]],
    *,
    watching: progress.Observer,
    on_step: Callable[[str], None],
    mode: str = "auto",
    allow_shrink: bool = False,
    as_of: date | None = None,
) -> Outcome:
    """Crawl the chosen accounts, load the facts, recompute the summaries they touch, run the checks.

    `mode` and `allow_shrink` are those of `defs.resources.CrawlConfig`. `as_of` is the date at which ages of customers
    are taken and calendars end: today's in UTC at the start, unless given.

    Raises:
        RunFailedError: facts or summaries could not be built, or a blocking check failed.
    """
    as_of = as_of or datetime.now(UTC).date()
    repository = defs().get_repository_def()
    instance = dg.DagsterInstance.get()
    keep_connections(instance)
    end_abandoned_runs(instance)
    with engine.begin() as connection:
        accounts.sync(connection, settings)
        sync_partitions(instance, connection)

    how = {"mode": mode, "allow_shrink": allow_shrink}
    with progress.observed_by(watching):
        crawl_run_id = _crawl(repository, instance, engine, chosen, how)
    run_ids = [crawl_run_id]
    on_step("facts")
    with progress.observed_by(watching):
        run_ids.append(_succeed(repository, instance, "load_facts"))
    with engine.connect() as connection:
        stale = sorted({m for name in summaries.MONTHLY_TABLES for m in summaries.stale_months(connection, name)})
        due = due_stretches(connection)
    on_step("summaries")
    for first, last in due:
        run_ids.append(
            _succeed(repository, instance, "summarise_months", config=STALE_MONTHS, tags=month_range(first, last))
        )
    with engine.connect() as connection:
        is_stale = bool(summaries.stale_tables(connection, as_of))
    if is_stale:
        run_ids.append(_succeed(repository, instance, "summarise_all", config=as_of_config(as_of)))
    return Outcome(
        accounts=_account_outcomes(engine, crawl_run_id),
        revenue=_totals(engine),
        months_recomputed=tuple(stale),
        run_ids=tuple(run_ids),
        findings=last_findings(instance),
    )


def run_job(job: str, config: Mapping[str, Any]) -> str:
    """Run one job in this process; return its run id.

    Raises:
        RunFailedError: it failed; the message says why.
    """
    result = _run(defs().get_repository_def(), dg.DagsterInstance.get(), job, config=config)
    if not result.success:
        raise RunFailedError(_explain(job, result))
    return result.run_id


def _crawl(
    repository: dg.RepositoryDefinition,
    instance: dg.DagsterInstance,
    engine: sa.Engine,
    chosen: Mapping[str, Collection[str]],
    how: Mapping[str, object],
) -> str:
    """Crawl the accounts; return the run's id alone, since its events are many."""
    ops = {f"crawl_{system}": {"config": {"accounts": list(keys), **how}} for system, keys in chosen.items()}
    crawl = _run(repository, instance, "refresh_orders", config={"ops": ops})
    stored = instance.get_run_by_id(crawl.run_id)
    if stored is not None and stored.status is dg.DagsterRunStatus.CANCELED:
        raise KeyboardInterrupt
    crawled = {(outcome.source_system, outcome.partition_key) for outcome in _account_outcomes(engine, crawl.run_id)}
    with engine.connect() as connection:  # an account may have been retired meanwhile
        active = {(system, key) for system in SOURCES for key in accounts.active_keys(connection, system)}
    missed = {(system, key) for system, keys in chosen.items() for key in keys} & active - crawled
    if any(_is_unexpected(event) for event in crawl.all_events) or missed:
        raise RunFailedError(_explain("refresh_orders", crawl))
    return crawl.run_id


def _run(
    repository: dg.RepositoryDefinition,
    instance: dg.DagsterInstance,
    job: str,
    *,
    config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    return repository.get_job(job).execute_in_process(
        instance=instance,
        run_config={**QUIET, **(config or {})},
        tags={PROCESS_TAG: this_process(), **(tags or {})},
        raise_on_error=False,
    )


def _succeed(
    repository: dg.RepositoryDefinition,
    instance: dg.DagsterInstance,
    job: str,
    *,
    config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    result = _run(repository, instance, job, config=config, tags=tags)
    failed_checks = [
        f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed and evaluation.blocking and evaluation.severity is dg.AssetCheckSeverity.ERROR
    ]
    if failed_checks:
        raise RunFailedError(
            f"checks failed in {job} (run {result.run_id}): {'; '.join(failed_checks)}."
            " The UI shows examples (make dev or order-assets dev, then the asset's Checks tab)."
        )
    if not result.success:
        raise RunFailedError(_explain(job, result))
    return result.run_id


def _is_unexpected(event: dg.DagsterEvent) -> bool:
    """Whether a step failed otherwise than by `dg.Failure`, which says that accounts are not complete."""
    return event.is_step_failure and event.step_failure_data.user_failure_data is None


def _explain(job: str, result: dg.ExecuteInProcessResult) -> str:
    """Say which run failed, and its innermost cause in a line."""
    why = "no step says why"
    for event in result.all_events:
        if _is_unexpected(event):
            error = event.step_failure_data.error
            while error is not None:
                why = f"{error.cls_name}: {error.message.strip().splitlines()[0]}" if error.message.strip() else why
                error = error.cause
            break
    if "psycopg" in why:
        why = f"the database at {place_of(os.environ.get('ORDER_ASSETS_DAGSTER_URL', 'postgresql://'))}: {why}"
    return (
        f"{job} failed (run {result.run_id}): {why[:_LONGEST_CAUSE]}."
        " The UI shows the run's log (make dev or order-assets dev, then Runs)."
    )


def _account_outcomes(engine: sa.Engine, run_id: str) -> tuple[AccountOutcome, ...]:
    query = (
        sa.select(crawls)
        .where(crawls.c.run_id == run_id)
        .order_by(sa.desc(crawls.c.source_system), crawls.c.partition_key, crawls.c.crawl_id)
    )
    with engine.connect() as connection:
        return tuple(
            AccountOutcome(
                source_system=row.source_system,
                partition_key=row.partition_key,
                status=row.status,
                reason=row.reason or "",
                words=row.reason_words or "",
                requests=row.requests,
                pages=row.pages,
                orders_seen=row.orders_seen,
                orders_new=row.orders_new,
                orders_changed=row.orders_changed,
                mode=row.mode,
                requests_saved=row.requests_saved,
                resume_at=row.resume_at,
            )
            for row in connection.execute(query)
        )


def _totals(engine: sa.Engine) -> tuple[Totals, ...]:
    with engine.connect() as connection:
        return totals(connection)

"""The body shared by the raw assets and the ops of `refresh_orders`: crawl accounts, tell Dagster about each."""

from collections.abc import Collection, Iterable, Iterator

import dagster as dg

from order_assets.crawl import progress
from order_assets.crawl.ledger import CrawlResult
from order_assets.defs.raw.partition_events import Context, mark_failed, report
from order_assets.defs.resources import ApiResource, CrawlConfig

_EVENTS_PER_WRITE = 100
_LISTED_FAILURES = 50


def crawl(
    context: Context,
    key: dg.AssetKey,
    api: ApiResource,
    rounds: Iterable[Collection[str]],
    how: CrawlConfig,
) -> Iterator[dg.Output[None]]:
    """Crawl accounts, round by round, and report each complete one as a materialised partition.

    Pages and verdicts are committed per account, whatever happens to the others.

    Raises:
        dagster.Failure: some accounts did not end complete; exactly these partitions turn red.
        dagster.DagsterExecutionInterruptedError: the run was stopped.
    """
    done: list[dg.AssetMaterialization] = []
    failed: list[CrawlResult] = []
    total = 0

    def on_result(result: CrawlResult) -> None:
        progress.advance(result)
        if not result.verdict.is_complete:
            failed.append(result)
            return
        done.append(
            dg.AssetMaterialization(asset_key=key, partition=result.account.partition_key, metadata=_metadata(result))
        )
        if len(done) >= _EVENTS_PER_WRITE:
            report(context, done)
            done.clear()

    try:
        for accounts in rounds:
            total += len(accounts)
            context.log.info("Crawling %d accounts of %s", len(accounts), key.path[-1])
            api.crawl(accounts, context.run.run_id, on_result, how)
    except KeyboardInterrupt:
        context.instance.report_run_canceling(context.run)  # else Dagster takes the interruption for a failure
        raise dg.DagsterExecutionInterruptedError from None
    finally:
        if done:
            report(context, done)
    for result in failed:
        mark_failed(context, key, result.account.partition_key)
    if failed:
        raise dg.Failure(
            f"{len(failed)} of {total} accounts are not complete; the others are committed."
            " Run retry_failed_accounts, or materialize the red partitions.",
            metadata={"accounts": _failures(failed)},
            allow_retries=False,  # what could pass was already retried, request by request
        )
    yield from ()


def _metadata(result: CrawlResult) -> dict[str, dg.MetadataValue]:
    oldest = result.oldest_open_at
    return {
        "verdict": dg.MetadataValue.text(result.verdict.status.value),
        "mode": dg.MetadataValue.text(result.mode),
        "orders": dg.MetadataValue.int(result.orders_seen),
        "orders new": dg.MetadataValue.int(result.orders_new),
        "orders changed": dg.MetadataValue.int(result.orders_changed),
        "orders vanished": dg.MetadataValue.int(len(result.vanished)),
        "oldest open order": dg.MetadataValue.text("none" if oldest is None else f"{oldest:%Y-%m-%d %H:%M} UTC"),
        "pages": dg.MetadataValue.int(result.pages),
        "requests": dg.MetadataValue.int(result.requests),
        "requests saved": dg.MetadataValue.int(result.requests_saved),
        "duplicates": dg.MetadataValue.int(result.duplicates),
        "bytes": dg.MetadataValue.int(result.bytes),
        "duration (s)": dg.MetadataValue.float(round(result.seconds, 3)),
        "crawl_id": dg.MetadataValue.int(result.crawl_id),
    }


def _failures(failed: Collection[CrawlResult]) -> dg.TableMetadataValue:
    records = [
        dg.TableRecord(
            {
                "account": result.account.partition_key,
                "verdict": result.verdict.status.value,
                "reason": result.verdict.reason.value,
                "in words": result.verdict.words,
            }
        )
        for result in list(failed)[:_LISTED_FAILURES]
    ]
    return dg.MetadataValue.table(records)

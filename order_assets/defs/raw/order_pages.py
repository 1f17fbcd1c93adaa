"""The raw pages of each API as an asset, and `refresh_orders`, which crawls every active account of all of them.

A click or a backfill on an asset crawls the chosen partitions in few runs, scattered or not (see `scattered`), or in
several for several workers (`runtime.accounts_per_run`). `refresh_orders` and `retry_failed_accounts` take any accounts
in one run.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from order_assets import runtime
from order_assets.defs.partitions import ACCOUNTS, pages_of
from order_assets.defs.raw.crawling import crawl
from order_assets.defs.raw.scattered import rounds
from order_assets.defs.resources import ApiResource, CrawlConfig
from order_assets.settings import SourceSystem

SCALEV_PAGES, KTSP_PAGES = pages_of("scalev"), pages_of("ktsp")

# A run's events are kept in Dagster's storage; on the console they would drown everything else.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _backfill_policy() -> dg.BackfillPolicy:
    most = runtime.accounts_per_run()
    return dg.BackfillPolicy.single_run() if most is None else dg.BackfillPolicy.multi_run(most)


def _spec(source_system: SourceSystem, what: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        pages_of(source_system),
        partitions_def=ACCOUNTS[source_system],
        skippable=True,  # partitions are reported one by one, so the step has no output of its own
        group_name=source_system,
        description=(
            f"Pages of the order history of each {what}, as received and encrypted, with the verdict of each crawl"
            " in `ops.crawls`. A partition is green if its last crawl saw the complete history, red if not."
            " Job `refresh_orders` crawls all of them, `retry_failed_accounts` those that are not green."
        ),
        kinds={"python", "postgres"},
        owners=["team:data-engineering"],
        tags={"layer": "raw", "source": source_system},
        code_version="1",
        metadata={"dagster/table_name": "raw.order_pages", "dagster/relation_identifier": "raw.order_pages"},
    )


class AccountsConfig(CrawlConfig):
    """Which accounts to crawl, and how."""

    accounts: list[str] | None = Field(
        None, description="Partition keys. Left out: every active account of the source."
    )


def _api(context: dg.OpExecutionContext | dg.AssetExecutionContext, source_system: str) -> ApiResource:
    api = getattr(context.resources, source_system)
    assert isinstance(api, ApiResource)  # noqa: S101 - narrows the type
    return api


def pages_asset(source_system: SourceSystem, what: str) -> dg.AssetsDefinition:
    """Return the asset of a source's raw pages; `what` is the word for an account."""

    # A multi_asset of one: there, backfill_policy is not a beta parameter.
    @dg.multi_asset(
        name=f"{source_system}_order_pages",
        specs=[_spec(source_system, what)],
        backfill_policy=_backfill_policy(),
        pool=f"{source_system}_api",
        required_resource_keys={source_system},
        description=f"Crawl the chosen {what}s.",
    )
    def order_pages(context: dg.AssetExecutionContext, config: CrawlConfig) -> Iterator[dg.Output[None]]:
        yield from crawl(context, pages_of(source_system), _api(context, source_system), rounds(context), config)

    return order_pages


def crawl_op(source_system: SourceSystem) -> dg.OpDefinition:
    """Return the op that crawls the accounts it is told, or every active one of the source."""

    @dg.op(
        name=f"crawl_{source_system}",
        out=dg.Out(dg.Nothing, is_required=False),
        pool=f"{source_system}_api",
        required_resource_keys={source_system},
        description="Crawl accounts and mark their partitions.",
    )
    def crawl_source(context: dg.OpExecutionContext, config: AccountsConfig) -> Iterator[dg.Output[None]]:
        api = _api(context, source_system)
        keys = api.active_accounts() if config.accounts is None else config.accounts
        yield from crawl(context, pages_of(source_system), api, [keys], config)

    return crawl_source


def crawl_unfinished_op(source_system: SourceSystem) -> dg.OpDefinition:
    """Return the op that crawls the accounts whose last crawl did not end complete."""

    @dg.op(
        name=f"crawl_unfinished_{source_system}",
        out=dg.Out(dg.Nothing, is_required=False),
        pool=f"{source_system}_api",
        required_resource_keys={source_system},
        description="Crawl the accounts whose last crawl did not end complete, and mark their partitions.",
    )
    def crawl_unfinished(context: dg.OpExecutionContext, config: CrawlConfig) -> Iterator[dg.Output[None]]:
        api = _api(context, source_system)
        yield from crawl(context, pages_of(source_system), api, [api.unfinished_accounts()], config)

    return crawl_unfinished


scalev_order_pages = pages_asset("scalev", "Scalev customer")
ktsp_order_pages = pages_asset("ktsp", "KTSP member")


@dg.job(config=QUIET)
def refresh_orders() -> None:
    """Crawl every active account of every source. Facts and summaries follow by sensor."""
    for source_system in ACCOUNTS:
        crawl_op(source_system)()


@dg.job(config=QUIET)
def retry_failed_accounts() -> None:
    """Crawl exactly the accounts whose last crawl did not end complete, or that have none, in one run."""
    for source_system in ACCOUNTS:
        crawl_unfinished_op(source_system)()

"""The raw pages of both APIs as assets, and `refresh_orders`, which crawls every active account of both.

A click or a backfill on an asset crawls the chosen partitions in few runs, scattered or not (see `scattered`), or in
several for several workers (`runtime.accounts_per_run`). `refresh_orders` and `retry_failed_accounts` take any accounts
in one run.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from order_assets import runtime
from order_assets.crawl import accounts
from order_assets.defs.partitions import KTSP_MEMBERS, SCALEV_CUSTOMERS
from order_assets.defs.raw.crawling import crawl
from order_assets.defs.raw.scattered import rounds
from order_assets.defs.resources import CrawlConfig, KtspResource, ScalevResource, WarehouseResource

SCALEV_PAGES = dg.AssetKey(["raw", "scalev_order_pages"])
KTSP_PAGES = dg.AssetKey(["raw", "ktsp_order_pages"])

# A run's events are kept in Dagster's storage; on the console they would drown everything else.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _backfill_policy() -> dg.BackfillPolicy:
    most = runtime.accounts_per_run()
    return dg.BackfillPolicy.single_run() if most is None else dg.BackfillPolicy.multi_run(most)


def _spec(key: dg.AssetKey, partitions: dg.PartitionsDefinition[str], group: str, what: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        partitions_def=partitions,
        skippable=True,  # partitions are reported one by one, so the step has no output of its own
        group_name=group,
        description=(
            f"Pages of the order history of each {what}, as received and encrypted, with the verdict of each crawl"
            " in `ops.crawls`. A partition is green if its last crawl saw the complete history, red if not."
            " Job `refresh_orders` crawls all of them, `retry_failed_accounts` those that are not green."
        ),
        kinds={"python", "postgres"},
        owners=["team:data-engineering"],
        tags={"layer": "raw", "source": group},
        code_version="1",
        metadata={"dagster/table_name": "raw.order_pages", "dagster/relation_identifier": "raw.order_pages"},
    )


# A multi_asset of one: there, backfill_policy is not a beta parameter.
@dg.multi_asset(
    name="scalev_order_pages",
    specs=[_spec(SCALEV_PAGES, SCALEV_CUSTOMERS, "scalev", "Scalev customer")],
    backfill_policy=_backfill_policy(),
    pool="scalev_api",
)
def scalev_order_pages(
    context: dg.AssetExecutionContext, config: CrawlConfig, scalev: ScalevResource
) -> Iterator[dg.Output[None]]:
    """Crawl the chosen customers."""
    yield from crawl(context, SCALEV_PAGES, scalev, rounds(context), config)


@dg.multi_asset(
    name="ktsp_order_pages",
    specs=[_spec(KTSP_PAGES, KTSP_MEMBERS, "ktsp", "KTSP member")],
    backfill_policy=_backfill_policy(),
    pool="ktsp_api",
)
def ktsp_order_pages(
    context: dg.AssetExecutionContext, config: CrawlConfig, ktsp: KtspResource
) -> Iterator[dg.Output[None]]:
    """Crawl the chosen members."""
    yield from crawl(context, KTSP_PAGES, ktsp, rounds(context), config)


class AccountsConfig(CrawlConfig):
    """Which accounts to crawl, and how."""

    accounts: list[str] | None = Field(
        None, description="Partition keys. Left out: every active account of the source."
    )


@dg.op(out=dg.Out(dg.Nothing, is_required=False), pool="scalev_api")
def crawl_scalev(
    context: dg.OpExecutionContext, config: AccountsConfig, scalev: ScalevResource
) -> Iterator[dg.Output[None]]:
    """Crawl Scalev customers and mark their partitions."""
    keys = scalev.active_accounts() if config.accounts is None else config.accounts
    yield from crawl(context, SCALEV_PAGES, scalev, [keys], config)


@dg.op(out=dg.Out(dg.Nothing, is_required=False), pool="ktsp_api")
def crawl_ktsp(context: dg.OpExecutionContext, config: AccountsConfig, ktsp: KtspResource) -> Iterator[dg.Output[None]]:
    """Crawl KTSP members and mark their partitions."""
    keys = ktsp.active_accounts() if config.accounts is None else config.accounts
    yield from crawl(context, KTSP_PAGES, ktsp, [keys], config)


@dg.job(config=QUIET)
def refresh_orders() -> None:
    """Crawl every active account of both APIs. Facts and summaries follow by sensor."""
    crawl_scalev()
    crawl_ktsp()


@dg.op(out=dg.Out(dg.Nothing, is_required=False), pool="scalev_api")
def crawl_unfinished_scalev(
    context: dg.OpExecutionContext, config: CrawlConfig, scalev: ScalevResource, warehouse: WarehouseResource
) -> Iterator[dg.Output[None]]:
    """Crawl the Scalev customers whose last crawl did not end complete."""
    with warehouse.engine.connect() as connection:
        keys = accounts.unfinished_keys(connection, "scalev")
    yield from crawl(context, SCALEV_PAGES, scalev, [keys], config)


@dg.op(out=dg.Out(dg.Nothing, is_required=False), pool="ktsp_api")
def crawl_unfinished_ktsp(
    context: dg.OpExecutionContext, config: CrawlConfig, ktsp: KtspResource, warehouse: WarehouseResource
) -> Iterator[dg.Output[None]]:
    """Crawl the KTSP members whose last crawl did not end complete."""
    with warehouse.engine.connect() as connection:
        keys = accounts.unfinished_keys(connection, "ktsp")
    yield from crawl(context, KTSP_PAGES, ktsp, [keys], config)


@dg.job(config=QUIET)
def retry_failed_accounts() -> None:
    """Crawl exactly the accounts whose last crawl did not end complete, or that have none, in one run."""
    crawl_unfinished_scalev()
    crawl_unfinished_ktsp()

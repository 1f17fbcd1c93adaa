"""Resources: `warehouse`, and one for the API of each source: `scalev` and `ktsp`.

They carry no secret in their configuration. Credentials are read from the accounts file (or the sandbox) when a run
needs them, so nothing of them can appear in the UI, in run config or in events.
"""

from collections.abc import Collection
from enum import Enum
from functools import cached_property
from typing import cast

import dagster as dg
import sqlalchemy as sa
from pydantic import Field, PrivateAttr

from order_assets import runtime
from order_assets.crawl import accounts, installation
from order_assets.crawl.run import OnResult, crawl_accounts
from order_assets.defs.abandoned import be_present
from order_assets.defs.connections import keep_connections
from order_assets.defs.partitions import ACCOUNTS
from order_assets.settings import Settings, SourceSystem
from order_assets.warehouse.engine import WarehouseError
from order_assets.warehouse.presence import Presence


class CrawlMode(Enum):
    """How much of a history is looked at; see `crawl.crawler.Plan`."""

    auto = "auto"
    full = "full"
    head = "head"


class CrawlConfig(dg.Config):
    """How accounts are crawled; nothing of it has to be given."""

    mode: CrawlMode = Field(
        CrawlMode.auto,
        description="full: whole histories. head: from the newest order down to where everything older is known and"
        " final. auto: head, and full where the last look at the whole is too old.",
    )
    allow_shrink: bool = Field(
        False, description="Believe a history that lost many orders at once, and count them as deleted at the source."
    )


class WarehouseResource(dg.ConfigurableResource[None]):
    """PostgreSQL: the configured server or the embedded one, with its schemas up to date."""

    _present: Presence | None = PrivateAttr(None)

    @cached_property
    def engine(self) -> sa.Engine:
        """Connections of this process."""
        return runtime.open_engine()

    @cached_property
    def settings(self) -> Settings:
        """Environment and accounts file, with the roster in `ops.accounts` brought up to date."""
        settings = runtime.open_settings()
        with self.engine.begin() as connection:
            installation.check(connection, settings)
            accounts.sync(connection, settings)
        return settings

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Keep the process's connections to Dagster's storage open during the run, and let it be seen at work."""
        if context.instance is not None and context.run is not None:  # sensors have a short-lived instance each
            keep_connections(context.instance)
            try:
                self._present = be_present(context.instance, self.engine, context.run.run_id)
            except WarehouseError:  # the step is about to open the engine again, and to say so in its own name
                self._close_engine()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the connections."""
        del context
        if self._present is not None:
            self._present.close()
        self._close_engine()

    def _close_engine(self) -> None:
        if "engine" in self.__dict__:
            self.__dict__.pop("engine").dispose()


class ApiResource(dg.ConfigurableResource[None]):
    """The API of one source with the credentials of every account of it."""

    source_system: str
    warehouse: dg.ResourceDependency[WarehouseResource]

    def active_accounts(self) -> list[str]:
        """Partition keys of the accounts to crawl."""
        _ = self.warehouse.settings  # brings the roster up to date
        with self.warehouse.engine.connect() as connection:
            return accounts.active_keys(connection, self.source_system)

    def unfinished_accounts(self) -> list[str]:
        """Partition keys of the accounts whose last crawl did not end complete, or that have none."""
        with self.warehouse.engine.connect() as connection:
            return sorted(accounts.unfinished_keys(connection, self.source_system))

    def crawl(self, keys: Collection[str], run_id: str, on_result: OnResult, how: CrawlConfig) -> None:
        """Crawl accounts by partition key; retired ones are left alone."""
        wanted = set(keys).intersection(self.active_accounts())
        crawl_accounts(
            cast("SourceSystem", self.source_system), wanted, self.warehouse.settings, self.warehouse.engine, run_id,
            on_result, mode=how.mode.value, allow_shrink=how.allow_shrink,
        )  # fmt: skip


@dg.definitions
def resources() -> dg.Definitions:
    """Bind the resources to their names."""
    warehouse = WarehouseResource()
    apis: dict[str, ApiResource] = {name: ApiResource(source_system=name, warehouse=warehouse) for name in ACCOUNTS}
    return dg.Definitions(resources={"warehouse": warehouse, **apis})

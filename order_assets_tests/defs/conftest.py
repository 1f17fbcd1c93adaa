"""A configured installation per test: a small sandbox, an accounts file, a fresh database, a Dagster instance."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from order_assets import runtime
from order_assets.definitions import defs
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec

ROOT = Path(__file__).parent.parent.parent
SMALL = WorldSpec(seed=11, stores=2, customers_per_store=4, members=4, orders_per_account=6.0)


@dataclass(frozen=True)
class Installation:
    """What a test drives: the API, the database, Dagster's instance and the repository of definitions."""

    sandbox: RunningSandbox
    engine: sa.Engine
    instance: dg.DagsterInstance
    repository: dg.RepositoryDefinition
    accounts_file: Path

    def run(
        self, job: str, *, config: dict[str, object] | None = None, tags: dict[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Execute a job as the command line does."""
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return self.repository.get_job(job).execute_in_process(
            instance=self.instance, run_config={**quiet, **(config or {})}, tags=tags, raise_on_error=False
        )

    def materialize(
        self, key: dg.AssetKey, first: str, last: str, *, tags: dict[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialize a range of an asset's partitions, as a backfill of the UI does."""
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last, **(tags or {})}
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        job = self.repository.get_job("__ASSET_JOB")
        return job.execute_in_process(
            instance=self.instance, run_config=quiet, tags=tags, asset_selection=[key], raise_on_error=False
        )

    def scalar(self, query: str) -> object:
        """Return the only value of a query."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar_one()

    def state_of(self, account: str) -> object:
        """Return the state of an account in the ledger."""
        query = sa.text("select state from ops.accounts where partition_key = :key")
        with self.engine.connect() as connection:
            return connection.execute(query, {"key": account}).scalar_one()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """One server per module; its world does not change."""
    with serve(SMALL) as running:
        yield running


@pytest.fixture(scope="session")
def repository() -> dg.RepositoryDefinition:
    """The definitions, loaded once."""
    return defs().get_repository_def()


@pytest.fixture
def installation(
    sandbox: RunningSandbox,
    engine: sa.Engine,
    database_url: str,
    repository: dg.RepositoryDefinition,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Installation]:
    """Everything configured by environment and accounts file, as a user does it; no faults at the start."""
    sandbox.clear_faults()
    sandbox.reset_requests()
    accounts_file = tmp_path / "accounts.toml"
    accounts_file.write_text(sandbox.accounts_toml(), encoding="utf-8")
    accounts_file.chmod(0o600)
    monkeypatch.setenv("ORDER_ASSETS_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS", str(accounts_file))
    monkeypatch.setenv("ORDER_ASSETS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "500")
    monkeypatch.setenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Installation(sandbox, engine, instance, repository, accounts_file)


@pytest.fixture
def stored(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """The installation with Dagster's storage in its database, as users have it."""
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in runtime.dagster_environment().items():
        monkeypatch.setenv(name, value)
    assert os.environ["DAGSTER_HOME"] == str(tmp_path)
    with dg.DagsterInstance.get() as instance:
        yield dataclasses.replace(installation, instance=instance)

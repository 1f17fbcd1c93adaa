"""Two Celery workers share one backfill over one PostgreSQL and one rate limit."""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from order_assets import runtime
from order_assets import settings as configuration
from order_assets.crawl import accounts
from order_assets.defs.automation import sync_partitions
from order_assets.defs.partitions import KTSP_MEMBERS, SCALEV_CUSTOMERS
from order_assets.sandbox.faults import FaultBoard
from order_assets.sandbox.state import Traffic
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets_tests.crawl.crawling_process import Roadblock
from order_assets_tests.deploy.cluster import ASSETS, Cluster, redis_server, until

WORLD = WorldSpec(seed=23, stores=2, customers_per_store=6, members=8, orders_per_account=8.0)
PER_RUN = 2
RATE = 5.0  # low enough that both workers together always want more
IN_FLIGHT = 3
UNFINISHED = dg.RunsFilter(
    statuses=[s for s in dg.DagsterRunStatus if s.value not in {"SUCCESS", "FAILURE", "CANCELED"}]
)
PARTITIONS = {"scalev": SCALEV_CUSTOMERS, "ktsp": KTSP_MEMBERS}


@dataclass
class Arrivals(Traffic):
    """Counts as the sandbox does, and keeps when each request arrived."""

    times: list[float] = field(default_factory=list)

    def arrived(self, api: str, second: int) -> None:
        """Note the moment."""
        self.times.append(time.monotonic())
        super().arrived(api, second)

    def most_within(self, seconds: float) -> int:
        """Return the most requests that arrived within any stretch of so many seconds."""
        return max(bisect_right(self.times, first + seconds) - i for i, first in enumerate(self.times))


@pytest.fixture
def traffic(sandbox: RunningSandbox) -> Arrivals:
    """What the server sees from now on."""
    sandbox.state.traffic = Arrivals()
    return sandbox.state.traffic


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Both APIs, without a limit of their own."""
    with serve(WORLD) as running:
        yield running


@pytest.fixture
def instance(
    sandbox: RunningSandbox, engine: sa.Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The installation's Dagster, as the default dagster.yaml opens it, with a partition for every account."""
    redis_server()
    text = sandbox.accounts_toml()
    for key, number in {"requests_per_second": RATE, "max_in_flight": IN_FLIGHT, "page_size": 5}.items():
        text, found = re.subn(rf"^{key} = .*$", f"{key} = {number}", text, flags=re.MULTILINE)
        assert found == 2, "both APIs"
    path = tmp_path / "accounts.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("ORDER_ASSETS_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS", str(path))
    monkeypatch.setenv("ORDER_ASSETS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS_PER_RUN", str(PER_RUN))
    for name, value in runtime.dagster_environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as found_instance:
        with engine.begin() as connection:
            accounts.sync(connection, configuration.load())
            sync_partitions(found_instance, connection)
        yield found_instance


@pytest.mark.timeout(900)  # five processes that import Dagster, on whatever machine
def test_two_workers_share_a_backfill(
    sandbox: RunningSandbox, instance: dg.DagsterInstance, traffic: Arrivals, engine: sa.Engine, tmp_path: Path
) -> None:
    """Without it, a second machine could crawl nothing, crawl the same again, or double what the API is asked for."""
    world = sandbox.world
    keys = {
        source: [key for key in world.accounts if key.startswith("ktsp/") == (source == "ktsp")] for source in ASSETS
    }
    bad = keys["scalev"][4]
    sandbox.set_fault(bad, "sign_in_needed")

    with Cluster(dict(os.environ), tmp_path) as cluster:
        for worker in ("one", "two"):
            cluster.worker(worker)
        backfills = cluster.backfill()
        cluster.daemon()
        until(
            lambda: all(state(instance, id_).startswith("COMPLETED") for id_ in backfills.values()),
            lambda: cluster.log("daemon")[-4000:] + cluster.log("one")[-4000:] + cluster.log("two")[-4000:],
        )
        until(lambda: not rows(engine, "select 1 from ops.crawls where loaded_at is null and pages > 0"), lambda: "")
        runs = {
            source: instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": id_}))
            for source, id_ in backfills.items()
        }
        tasks = {run.tags["dagster-celery/task_id"]: run.run_id for found in runs.values() for run in found}
        until(lambda: tasks.keys() <= cluster.executed("one") | cluster.executed("two"), lambda: "a run by nobody")
        by_worker = {worker: tasks.keys() & cluster.executed(worker) for worker in ("one", "two")}

    assert {source: len(found) for source, found in runs.items()} == {"scalev": 6, "ktsp": 4}
    assert all(by_worker.values()), "both worked"
    assert not by_worker["one"] & by_worker["two"], "no run was executed twice"
    spans = [
        rows(
            engine,
            "select min(started_at), max(finished_at) from ops.crawls where run_id = any(:runs)",
            runs=[tasks[task] for task in found],
        )[0]
        for found in by_worker.values()
    ]
    assert max(first for first, _ in spans) < min(last for _, last in spans), "and they did so at once"

    # One red partition, and nothing else is.
    assert state(instance, backfills["ktsp"]) == "COMPLETED_SUCCESS"
    for source, name in ASSETS.items():
        colours = instance.get_status_by_partition(dg.AssetKey(["raw", name]), keys[source], PARTITIONS[source]) or {}
        assert {key: colour.value for key, colour in colours.items() if colour} == {
            key: "FAILED" if key == bad else "MATERIALIZED" for key in keys[source]
        }

    # Nothing twice, nothing lost.
    crawls = rows(engine, "select partition_key, requests from ops.crawls")
    assert Counter(key for key, _ in crawls) == dict.fromkeys(world.accounts, 1)
    assert sum(requests for _, requests in crawls) == sandbox.traffic()["total"]
    assert found(engine) == truth(sandbox, without=bad)

    # One limit for both. A request may start half a second late and not be made up for, and those in flight may be
    # held up on their way; two workers with a limit each would send twice as many.
    assert max(traffic.max_in_flight.values()) <= IN_FLIGHT
    assert len(traffic.times) > 100
    for seconds in (1.0, 4.0, 8.0, 16.0):
        assert traffic.most_within(seconds) <= RATE * (seconds + 0.5) + 1 + IN_FLIGHT


@pytest.mark.timeout(900)
def test_what_a_killed_worker_was_doing_is_done_by_another(
    sandbox: RunningSandbox,
    instance: dg.DagsterInstance,
    engine: sa.Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without it, a machine that loses its power would leave its run called started for hours."""
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS_PER_RUN", "50")
    keys = [key for key in sandbox.world.accounts if not key.startswith("ktsp/")]
    account = max(keys, key=lambda key: len(sandbox.world.orders(key)))
    sandbox.state.faults = Roadblock({account: 1})
    with Cluster(dict(os.environ), tmp_path) as cluster:
        cluster.worker("one")
        cluster.backfill()
        cluster.daemon()
        kept = "select 1 from raw.order_pages inner join ops.crawls using (crawl_id) where partition_key = :key"
        until(
            lambda: rows(engine, kept, key=account), lambda: cluster.log("one")[-4000:] + cluster.log("daemon")[-4000:]
        )
        cluster.kill("one")
        sandbox.state.faults = FaultBoard()
        cluster.worker("two")
        until(
            lambda: truth(sandbox, without="") == found(engine) and not instance.get_runs(UNFINISHED),
            lambda: cluster.log("two")[-4000:] + cluster.log("daemon")[-4000:],
        )
    ((run_id,),) = rows(engine, "select run_id from ops.crawls where partition_key = :key", key=account)
    again = instance.get_run_by_id(run_id)
    assert again is not None
    assert again.parent_run_id is not None, "what was fetched is kept: the crawl went on in another run"
    first = instance.get_run_by_id(again.parent_run_id)
    assert first is not None
    assert (first.status, again.status) == (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS)
    asset = dg.AssetKey(["raw", ASSETS["scalev"]])
    colours = instance.get_status_by_partition(asset, keys, PARTITIONS["scalev"]) or {}
    assert {colour.value for colour in colours.values() if colour} == {"MATERIALIZED"}
    assert not rows(engine, "select 1 from ops.crawls where status <> 'complete'")
    assert not rows(engine, "select 1 from ops.api_leases union all select 1 from dagster.pending_steps")


def found(engine: sa.Engine) -> dict[str, tuple[int, Decimal]]:
    """Return what `truth` should be, from the facts."""
    facts = rows(engine, "select source_account, count(*), sum(payment_amount) from marts.order_facts group by 1")
    return {scope: (count, payment) for scope, count, payment in facts}


def truth(sandbox: RunningSandbox, *, without: str) -> dict[str, tuple[int, Decimal]]:
    """Return how many orders each store and programme has, and their payments."""
    found: dict[str, tuple[int, Decimal]] = {}
    for account in sandbox.world.accounts:
        scope, _, _ = account.partition("/")
        for order in sandbox.world.orders(account) if account != without else ():
            amount = order["paymentAmount"] if scope == "ktsp" else order["gross_revenue"]
            count, payment = found.get(scope, (0, Decimal(0)))
            found[scope] = count + 1, payment + Decimal(str(amount or 0))
    return found


def state(instance: dg.DagsterInstance, backfill: str) -> str:
    """Return how far a backfill is."""
    found = instance.get_backfill(backfill)
    assert found is not None
    return found.status.value


def rows(engine: sa.Engine, query: str, **values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]

"""What is measured: this project, dlt and the floor on the same pages, each in a fresh database of the same server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench import floor
from bench.corpus import Corpus, Spec, corpus
from bench.measure import FailedLegError, Measured, Place, run
from order_assets.warehouse import embedded
from order_assets.warehouse import engine as warehouse

ROOT = Path(__file__).parents[1]
IN_FLIGHT = 32
DLT_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
_DLT = {
    # Threads that crawl, processes that normalise, files small enough to share out: what its documentation advises.
    "EXTRACT__WORKERS": str(IN_FLIGHT),
    "EXTRACT__MAX_PARALLEL_ITEMS": str(2 * IN_FLIGHT),
    "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "10000",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "50000",
    "LOAD__WORKERS": "8",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a leg needs: the pages and who serves them, the server, and a folder for files."""

    made: Corpus
    place: Place
    folder: Path
    state: Path

    @property
    def base_url(self) -> str:
        """Address of the mock."""
        return f"http://127.0.0.1:{self.place.mock_port}"

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"{self.place.database_url.rpartition('/')[0]}/{database}"

    def fresh(self, database: str) -> str:
        """Return the URL of a database without anything in it."""
        with psycopg.connect(self.place.database_url, autocommit=True) as connection:
            name = sql.Identifier(database)
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            connection.execute(sql.SQL("create database {}").format(name))
            connection.execute("checkpoint")  # no leg pays for the writes of the one before
        return self.url(database)

    def ask(self, database: str, query: sql.SQL) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.url(database)) as connection:
            return connection.execute(query).fetchall()


@contextmanager
def stage(spec: Spec, state: Path) -> Iterator[Stage]:
    """Start the server and the mock; the mock ends with the context, the server stays (`order-assets db stop`)."""
    folder = state / "bench"
    made = corpus(spec, folder)
    embedded.up(state)
    server = embedded.status(state)
    if server.pid is None or server.url is None:
        raise FailedLegError("the embedded PostgreSQL is not running")
    command = [sys.executable, "-m", "bench.mock", "--folder", str(folder), "--orders", str(spec.orders)]
    command += ["--orders-per-account", str(spec.orders_per_account), "--days", str(spec.days)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as mock:  # noqa: S603 - ours
        try:
            assert mock.stdout is not None  # noqa: S101 - opened as a pipe
            yield Stage(made, Place(int(mock.stdout.readline()), server.pid, server.url), folder, state)
        finally:
            mock.terminate()


def prepare_ours(on: Stage, database: str) -> None:
    """Make the project's tables and Dagster's in a fresh database, as `make install` and the first command do."""
    on.fresh(database)
    _ours(on, database, "accounts", "list", "--json")


def ours(on: Stage, database: str) -> Measured:
    """Measure `order-assets run`: start-up, crawl, facts, summaries, all checks, pictures and the report."""
    return _ours(on, database, "run")


def overhead(on: Stage, database: str) -> dict[str, Any]:
    """Measure Dagster's bookkeeping and the start of a command (see `overhead`)."""
    prepare_ours(on, database)
    environment = {**_environment(on, database), "PYTHONPATH": str(ROOT)}
    found: dict[str, Any] = json.loads(run([sys.executable, "-m", "bench.overhead"], on.place, environment).output)
    return found


def _ours(on: Stage, database: str, *command: str) -> Measured:
    return run([sys.executable, "-m", "order_assets.cli", *command], on.place, _environment(on, database))


def _environment(on: Stage, database: str) -> dict[str, str]:
    accounts = on.folder / "accounts.toml"
    with os.fdopen(os.open(accounts, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(_accounts_file(on)) + "\n")
    return {
        "ORDER_ASSETS_DATABASE_URL": on.url(database),
        "ORDER_ASSETS_STATE": str(on.state),
        "ORDER_ASSETS_ACCOUNTS": str(accounts),
        "DAGSTER_HOME": str(ROOT),
    }


def _accounts_file(on: Stage) -> Iterator[str]:
    pace = [f"max_in_flight = {IN_FLIGHT}", "requests_per_second = 100000.0"]
    yield from ("[scalev]", f'base_url = "{on.base_url}"', "page_size = 25", *pace)
    store = None
    for index, account in enumerate(on.made.accounts):
        if account.source == "scalev":
            if account.owner != store:
                store = account.owner
                yield from ("[[scalev.stores]]", f'store_id = "{store}"')
            yield from ("[[scalev.stores.customers]]", f'name = "{account.name}"', f'access_token = "t-{index}"')
    yield from ("[ktsp]", "page_size = 200", *pace, "[[ktsp.programmes]]", 'name = "ktsp"')
    yield from (f'base_url = "{on.base_url}"', 'app_key = "bench"', 'app_secret = "bench"')
    for account in on.made.accounts:
        if account.source == "ktsp":
            yield from ("[[ktsp.programmes.members]]", f'member_id = "{account.owner}"')


def prepare_floor(on: Stage, loaded: str, database: str) -> None:
    """Take the rows to copy from a database that this project loaded, and make the same tables in a fresh one."""
    rows = on.folder / "rows"
    rows.mkdir(exist_ok=True)
    floor.export(on.url(loaded), rows)
    _empty_tables(on, database)


def _empty_tables(on: Stage, database: str) -> None:
    engine = warehouse.connect(on.fresh(database))
    warehouse.migrate(engine)
    engine.dispose()


def floor_of(on: Stage, database: str) -> Measured:
    """Measure the floor (see `floor`)."""
    _empty_tables(on, database)
    accounts = [
        {"source": account.source, "owner": account.owner, "token": f"t-{index}"}
        for index, account in enumerate(on.made.accounts)
    ]
    task = {
        "database_url": on.url(database), "base_url": on.base_url, "in_flight": IN_FLIGHT, "accounts": accounts,
    }  # fmt: skip
    command = [sys.executable, "-m", "bench.floor", "--folder", str(on.folder / "rows")]
    return run(command, on.place, {"PYTHONPATH": str(ROOT)}, json.dumps(task))


def dlt(on: Stage, database: str, *, whole: bool) -> Measured:
    """Measure dlt (see `dlt_pipeline`); `whole`: with all fields of an order, as they are sent."""
    url = on.fresh(database)
    folder = on.folder / "dlt"
    shutil.rmtree(folder, ignore_errors=True)  # its state
    accounts = enumerate(on.made.accounts)
    task = {
        "database_url": url, "base_url": on.base_url, "folder": str(folder), "whole": whole,
        "scalev": [{"store": a.owner, "token": f"t-{index}"} for index, a in accounts if a.source == "scalev"],
        "ktsp": [a.owner for a in on.made.accounts if a.source == "ktsp"],
    }  # fmt: skip
    measured = run([str(DLT_PYTHON), str(ROOT / "bench" / "dlt_pipeline.py")], on.place, _DLT, json.dumps(task))
    count = sql.SQL("select (select count(*) from peer.scalev_orders) + (select count(*) from peer.ktsp_orders)")
    ((loaded,),) = on.ask(database, count)
    if loaded != on.made.orders:
        raise FailedLegError(f"dlt loaded {loaded} of {on.made.orders} orders")
    return measured


def fetching(on: Stage, in_flight: list[int]) -> dict[str, float]:
    """Return pages per second of the project's client by requests in flight."""
    mine = [(index, a) for index, a in enumerate(on.made.accounts) if a.source == "scalev"]
    task = {"base_url": on.base_url, "store": mine[0][1].owner, "tokens": [f"t-{index}" for index, _ in mine]}
    command = [sys.executable, "-m", "bench.fetching", "--in-flight", *map(str, in_flight)]
    found: dict[str, float] = json.loads(run(command, on.place, {"PYTHONPATH": str(ROOT)}, json.dumps(task)).output)
    return found

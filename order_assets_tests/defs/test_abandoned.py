"""Runs whose process is gone are called failed; runs that are at work, here or elsewhere, are left alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg

from order_assets.crawl import progress
from order_assets.defs.abandoned import PROCESS_TAG, be_present, end_abandoned_runs, this_process
from order_assets.defs.automation import accounts_sensor
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse import presence
from order_assets_tests.defs.conftest import Installation

SERVER_TAG = ".dagster/grpc_info"


def started(
    installation: Installation, tags: dict[str, str], status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED
) -> str:
    """Note a run that was started with these tags."""
    job = installation.repository.get_job("refresh_orders")
    return installation.instance.create_run_for_job(job, tags=tags, status=status).run_id


def ended_process() -> str:
    """Return the tag of a process that has ended."""
    words = "from order_assets.defs.abandoned import this_process; print(this_process())"
    command = [sys.executable, "-c", words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our own


def test_runs_of_processes_that_are_gone_are_called_failed(installation: Installation, tmp_path: Path) -> None:
    """Without it, a killed run would hold its place for ever, and every later crawl would wait in the queue."""
    instance = installation.instance
    killed = started(installation, {PROCESS_TAG: ended_process()})
    killed_before_its_start = started(
        installation, {PROCESS_TAG: ended_process()}, dg.DagsterRunStatus.NOT_STARTED
    )  # the schedule takes it for one under way
    number_taken_again = started(installation, {PROCESS_TAG: f"{socket.gethostname()} {os.getpid()} 1"})
    served = started(installation, {SERVER_TAG: json.dumps({"host": "localhost", "socket": str(tmp_path / "gone")})})
    assert set(end_abandoned_runs(instance)) == {killed, killed_before_its_start, number_taken_again, served}
    for run_id in (killed, killed_before_its_start, number_taken_again, served):
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.FAILURE
    assert end_abandoned_runs(instance) == []


def test_runs_at_work_are_left_alone(installation: Installation, tmp_path: Path) -> None:
    """Without it, a tick of a sensor would end the crawl of a night."""
    path = str(tmp_path / "server")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        started(installation, {PROCESS_TAG: this_process()})
        started(installation, {PROCESS_TAG: this_process()}, dg.DagsterRunStatus.NOT_STARTED)
        started(installation, {PROCESS_TAG: "another-host 1 1"})
        started(installation, {SERVER_TAG: json.dumps({"host": "localhost", "socket": path})})
        started(installation, {SERVER_TAG: json.dumps({"host": "elsewhere", "port": 4000})})
        started(installation, {})
        assert end_abandoned_runs(installation.instance) == []


def test_a_run_that_nobody_is_present_for_is_called_failed_at_the_second_look(installation: Installation) -> None:
    """Without it, the run of another machine that lost its power would be called started for hours.

    The second look is for a run that has let go and is about to say how it ended.
    """
    instance, engine = installation.instance, installation.engine
    at_work, gone = (started(installation, {}) for _ in range(2))
    retry = started(installation, {"order_assets/present": gone})  # about to begin, with its parent's tags
    present = be_present(instance, engine, at_work)
    be_present(instance, engine, gone).close()
    statuses, cursor = [], None
    for _ in range(2):
        resources = {"warehouse": WarehouseResource()}
        with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
            accounts_sensor(context)
            cursor = context.cursor
        statuses.append(
            [run.status for run in (instance.get_run_by_id(run_id) for run_id in (at_work, gone, retry)) if run]
        )
    present.close()
    going, failed = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE
    assert statuses == [[going, going, going], [going, failed, going]]


def test_a_run_is_present_while_it_is_at_work(installation: Installation) -> None:
    """Without it, runs at work would be called failed, and those that are gone would not."""
    seen: list[set[str]] = []

    def look(*_: object) -> None:
        runs = [run.run_id for run in installation.instance.get_runs()]
        assert len(runs) == 1
        seen.append(presence.gone(installation.engine, runs))

    with progress.observed_by(progress.Observer(look)):
        assert installation.run("refresh_orders").success
    assert len(seen) == len(installation.sandbox.world.accounts)
    assert set().union(*seen) == set()
    look()
    assert len(seen[-1]) == 1

"""Runs whose process is gone without a word: killed, out of memory, or the machine stopped.

Dagster's launchers cannot tell (run monitoring asks them; the default one has no answer, and Celery's believes that a
worker which lost its power is still at work), so such a run would be called started for ever, hold its pool slots, and
keep the next ones waiting. `accounts_sensor` looks for them.
"""

import json
import os
import socket
from collections.abc import Collection, Mapping
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from order_assets.warehouse import presence

PROCESS_TAG = "order_assets/process"
_PRESENT_TAG = "order_assets/present"  # a run with its own id here has a `Presence`; a retry has its parent's tags
_SERVER_TAG = ".dagster/grpc_info"  # of the code server that started the run; Dagster's own, without a public name
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,  # its process ended, or the disk was full, between noting the run and its start
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def this_process() -> str:
    """Return what tells this process from every other one, before and after it: host, number and time of start."""
    return f"{socket.gethostname()} {os.getpid()} {_started_at(os.getpid())}"


def be_present(instance: dg.DagsterInstance, engine: sa.Engine, run_id: str) -> presence.Presence:
    """Let every machine see that a run is at work."""
    present = presence.Presence(engine, run_id)
    instance.add_run_tags(run_id, {_PRESENT_TAG: run_id})  # not before it can be seen
    return present


def absent_runs(instance: dg.DagsterInstance, engine: sa.Engine) -> list[str]:
    """Return the runs whose process, on whichever machine, cannot be seen: gone, or about to say how the run ended."""
    unfinished = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return sorted(presence.gone(engine, [run.run_id for run in unfinished if run.tags.get(_PRESENT_TAG) == run.run_id]))


def end_abandoned_runs(instance: dg.DagsterInstance, absent: Collection[str] = ()) -> list[str]:
    """Call runs failed whose process is gone; return their ids. Dagster's retries take them up.

    These are runs whose process was on this machine, and those of `absent`: runs that were absent for a while.
    """
    ended = _gone(instance)
    if absent:
        known = {run.run_id for run in ended}
        chosen = dg.RunsFilter(run_ids=[run_id for run_id in absent if run_id not in known], statuses=_UNFINISHED)
        ended += instance.get_runs(chosen)
    for run in ended:
        instance.report_run_failed(run, "The process of this run is gone. What it committed stays.")
    return [run.run_id for run in ended]


def abandoned_runs() -> list[str]:
    """Return the ids of such runs, and leave them as they are."""
    with dg.DagsterInstance.get() as instance:
        return [run.run_id for run in _gone(instance)]


def _gone(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)) if _is_gone(run.tags)]


def _is_gone(tags: Mapping[str, str]) -> bool:
    if PROCESS_TAG in tags:
        host, pid, started = tags[PROCESS_TAG].rsplit(" ", 2)
        return host == socket.gethostname() and _started_at(int(pid)) != started
    try:
        path = json.loads(tags.get(_SERVER_TAG, "{}")).get("socket")
    except ValueError:
        return False
    return path is not None and not _listens(path)


def _started_at(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; empty if there is none, or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True  # busy, or not ours to ask
    return True

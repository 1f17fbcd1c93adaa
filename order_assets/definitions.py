"""Loads everything under `defs`, in a process that keeps little memory; nothing else. `workspace.yaml` points here."""

from pathlib import Path

import dagster as dg

from order_assets import memory


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of this code location; steps run in the run's own process, since they are few."""
    memory.keep_little()
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(executor=dg.in_process_executor),
    )

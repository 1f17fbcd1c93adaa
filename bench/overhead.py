"""`python -m bench.overhead`: what Dagster costs each account of a crawl, and what a start imports before it works."""

import json
import os
import subprocess
import sys
import time
from collections import Counter

import dagster as dg

from order_assets import runtime
from order_assets.defs.connections import keep_connections
from order_assets.defs.partitions import pages_of
from order_assets.defs.raw.order_pages import QUIET
from order_assets.defs.raw.partition_events import report

_ACCOUNTS, _PER_WRITE, _MEASURES = 2_000, 100, 14  # as a crawl reports them
_NAMED = 8
_START = """
import time
began = time.perf_counter()
import order_assets.cli, order_assets.definitions
order_assets.definitions.defs().get_repository_def()
print(time.perf_counter() - began)
"""


def _milliseconds_per_account() -> float:
    """Report accounts as materialised partitions within a run, as a crawl does."""
    took = 0.0

    @dg.op
    def accounts(context: dg.OpExecutionContext) -> None:
        nonlocal took
        began = time.perf_counter()
        for first in range(0, _ACCOUNTS, _PER_WRITE):
            done = [
                dg.AssetMaterialization(
                    pages_of("scalev"),
                    partition=f"store_{number % 20}/customer {number}",
                    metadata={f"measure {n}": dg.MetadataValue.int(n) for n in range(_MEASURES)},
                )
                for number in range(first, first + _PER_WRITE)
            ]
            report(context, done)
        took = time.perf_counter() - began

    @dg.job
    def crawl() -> None:
        accounts()

    os.environ.update(runtime.dagster_environment())
    with dg.DagsterInstance.get() as instance:
        keep_connections(instance)
        crawl.execute_in_process(instance=instance, run_config=QUIET)
    return took * 1000 / _ACCOUNTS


def _start() -> dict[str, float]:
    """Return seconds until a command has Dagster's definitions, and how long the largest packages take to import."""
    plain, timed = (
        subprocess.run([sys.executable, *how, "-c", _START], capture_output=True, text=True, check=True)  # noqa: S603 - ours
        for how in ((), ("-X", "importtime"))
    )
    by_package: Counter[str] = Counter()
    for line in timed.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").partition("|")
        if own.strip().isdigit():
            by_package[name.rpartition("|")[2].strip().partition(".")[0]] += int(own)
    named = dict(by_package.most_common(_NAMED)) | {"order_assets": by_package["order_assets"]}
    seconds = {name: round(microseconds / 1e6, 2) for name, microseconds in named.items()}
    return {"whole": round(float(plain.stdout), 2), **seconds}


def main() -> None:
    """Print both."""
    sys.stdout.write(json.dumps({"ms_per_account": round(_milliseconds_per_account(), 2), "start": _start()}))


if __name__ == "__main__":
    main()

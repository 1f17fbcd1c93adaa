"""`python -m bench`: measure every leg and print the results; `bench.table` makes docs/benchmarks.md of them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from psycopg import sql

from bench import legs
from bench.corpus import Spec
from bench.measure import Measured

_SIZES = sql.SQL(
    "select n.nspname, sum(pg_total_relation_size(c.oid))::bigint from pg_class as c"
    " join pg_namespace as n on n.oid = c.relnamespace"
    " where c.relkind = 'r' and n.nspname in ('raw', 'ops', 'marts', 'dagster') group by 1 order by 1"
)
_ROWS_WRITTEN = sql.SQL(
    "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint from pg_stat_user_tables"
    " where schemaname = 'marts'"
)
_OTHERS = sql.SQL(
    "select count(*), pg_sleep(0.05) from pg_stat_activity where datname = current_database()"
    " and backend_type = 'client backend' and pid <> pg_backend_pid()"
)
_OPEN = sql.SQL("select count(distinct (crawl_id, page_number)) from ops.order_lineage where is_open")
_LATENCY_MS = 50
_IN_FLIGHT = [8, 32, 64]


def main() -> None:
    """Run the legs; the results are JSON lines on stdout as they come, words on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--orders", type=int, default=200_000, help="about so many (default %(default)s)")
    parser.add_argument("--state", type=Path, default=Path(".order_assets"), help="folder for server and pages")
    further = ["latency", "refresh", "history", "fetching", "overhead"]
    parser.add_argument("--legs", nargs="*", choices=further, default=further, help="beside the first load")
    parser.add_argument("--out", type=Path, help="append the results to this file, as JSON lines")
    args = parser.parse_args()
    bench = _Bench(args.out)
    load = os.getloadavg()[0]
    if load > 1:
        sys.stderr.write(f"The machine is busy (load {load:.1f}); read ratios of CPU, not seconds.\n")
    with legs.stage(Spec(args.orders), args.state.absolute()) as on:
        bench.about(on)
        bench.first(on, 0)
        if "refresh" in args.legs:
            bench.refresh(on)
        if "latency" in args.legs:
            bench.first(on, _LATENCY_MS)
        if "fetching" in args.legs:
            bench.fetching(on)
        if "overhead" in args.legs:
            found = legs.overhead(on, "bench_overhead")
            bench.tell("Dagster's bookkeeping", ms_per_account=found["ms_per_account"])
            bench.tell("seconds of a start", **found["start"])
    if "history" in args.legs:
        bench.history(args.orders, args.state.absolute())


class _Bench:
    """The results so far, printed and kept as they come."""

    def __init__(self, out: Path | None) -> None:
        self.out = out
        self.kept: dict[str, Measured] = {}

    def tell(self, what: str, **values: Any) -> None:
        line = json.dumps({"what": what, **values})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if self.out is not None:
            with self.out.open("a") as file:
                file.write(line + "\n")

    def keep(self, what: str, measured: Measured, orders: int, **more: Any) -> None:
        self.kept[what] = measured
        numbers = {name: value for name, value in asdict(measured).items() if name != "output"}
        rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in numbers.items()}
        self.tell(what, orders_per_second=round(orders / measured.wall), **rounded, **more)

    def about(self, on: legs.Stage) -> None:
        dlt = subprocess.run(  # noqa: S603 - our own environment
            [str(legs.DLT_PYTHON), "-c", "import dlt; print(dlt.__version__)"],
            capture_output=True,
            text=True,
            check=True,
        )
        self.tell(
            "about", at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", cores=os.cpu_count(), load=os.getloadavg()[0],
            python=platform.python_version(), dlt=dlt.stdout.strip(), dagster=version("dagster"),
            orders=on.made.orders, pages=on.made.pages, accounts=len(on.made.accounts),
            megabytes=round(on.made.plain_bytes / 1e6),
            gzipped=round(sum(len(b) for bodies in on.made.before for b in bodies) / 1e6),
        )  # fmt: skip

    def first(self, on: legs.Stage, latency_ms: int) -> None:
        """The first load of everything: this project, the floor, dlt both ways."""
        on.place.control(f"evolved=0&latency_ms={latency_ms}")
        name, orders = f"{latency_ms} ms", on.made.orders
        legs.prepare_ours(on, "bench_ours")
        mine = legs.ours(on, "bench_ours")
        self.keep(f"ours, {name}", mine, orders)
        if not latency_ms:
            legs.prepare_floor(on, "bench_ours", "bench_floor")
            sizes = dict(on.ask("bench_ours", _SIZES))
            self.tell("bytes per order", **{schema: round(int(size) / orders) for schema, size in sizes.items()})
        low = legs.floor_of(on, "bench_floor")
        self.keep(f"floor, {name}", low, orders, parts=json.loads(low.output)["seconds"])
        peers = {"dlt, whole orders": True, "dlt, fields of the facts": False}
        for peer, whole in peers.items():
            other = legs.dlt(on, "bench_dlt", whole=whole)
            self.keep(f"{peer}, {name}", other, orders)
            self.tell(f"ratio to {peer}, {name}", wall=_ratio(other, mine), cpu=_ratio(other, mine, cpu=True))
        self.tell(f"ratio to the floor, {name}", wall=_ratio(mine, low), cpu=_ratio(mine, low, cpu=True))

    def refresh(self, on: legs.Stage) -> None:
        """Nothing changed, then one order in a hundred did; then a history that is the same again."""
        on.place.control("evolved=0&latency_ms=0")
        ((pages,),) = on.ask("bench_ours", _OPEN)
        before = self._rows(on)
        same = legs.ours(on, "bench_ours")
        accounts = len(on.made.accounts)
        self.keep("ours, nothing changed", same, on.made.orders, rows_written=self._rows(on) - before,
                  requests_beyond_open_pages=same.requests - pages, accounts=accounts)  # fmt: skip
        on.place.control("evolved=1")
        before = self._rows(on)
        changed = legs.ours(on, "bench_ours")
        self.keep("ours, 1 % changed", changed, on.made.changed_orders, rows_written=self._rows(on) - before,
                  changed_orders=on.made.changed_orders)  # fmt: skip
        on.place.control("evolved=0")

    def _rows(self, on: legs.Stage) -> int:
        while on.ask("bench_ours", _OTHERS)[0][0]:  # a session's counts are added when it has ended
            pass
        return int(on.ask("bench_ours", _ROWS_WRITTEN)[0][0])

    def fetching(self, on: legs.Stage) -> None:
        """The client alone against the latency."""
        on.place.control(f"latency_ms={_LATENCY_MS}")
        found = legs.fetching(on, _IN_FLIGHT)
        share = {n: round(pages * _LATENCY_MS / 1000 / int(n), 2) for n, pages in found.items()}
        self.tell("fetching, share of what the latency allows", **share)
        on.place.control("latency_ms=0")

    def history(self, orders: int, state: Path) -> None:
        """Unchanged refreshes of the same accounts with a history of two years, and with one ten times longer."""
        for years, factor in ((2, 1), (20, 10)):
            spec = Spec(orders * factor // 10, 10 * factor, 730 * factor)
            with legs.stage(spec, state) as on:
                legs.prepare_ours(on, "bench_ours")
                legs.ours(on, "bench_ours")
                same = legs.ours(on, "bench_ours")
                accounts = len(on.made.accounts)
                self.keep(f"ours, nothing changed, {years} years", same, on.made.orders, accounts=accounts)


def _ratio(larger: Measured, smaller: Measured, *, cpu: bool = False) -> float:
    if cpu:
        return round((larger.client_cpu + larger.server_cpu) / (smaller.client_cpu + smaller.server_cpu), 2)
    return round(larger.wall / smaller.wall, 2)


if __name__ == "__main__":
    main()

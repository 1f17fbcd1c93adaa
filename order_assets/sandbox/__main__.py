"""`python -m order_assets.sandbox`: serves both APIs in the foreground until stopped."""

import argparse
import ipaddress
import json
import os
import socket
import sys
from datetime import date
from pathlib import Path

from aiohttp import web

from order_assets.sandbox.faults import KINDS
from order_assets.sandbox.server import build_app
from order_assets.sandbox.state import Options
from order_assets.sandbox.world import World, WorldSpec


def parser() -> argparse.ArgumentParser:
    """The command line; every default is that of `WorldSpec` and `Options`."""
    faults = "\n".join(f"  {name:22} {kind.summary}" for name, kind in KINDS.items())
    made = argparse.ArgumentParser(
        prog="python -m order_assets.sandbox",
        description="Serve the Scalev and KTSP APIs locally with seeded data. Loopback only.",
        epilog="GET /sandbox/accounts.toml gives an accounts file with tokens.\n"
        "POST /sandbox/evolve?steps=N lets the world go on by some hours, N times.\n"
        f"PUT /sandbox/faults/ACCOUNT with name[:setting=value...] switches a fault on:\n{faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    spec, options = WorldSpec(), Options()
    made.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (default)")
    made.add_argument("--bind", default="127.0.0.1", type=_loopback, help="loopback address (default 127.0.0.1)")
    made.add_argument("--seed", type=int, default=spec.seed, help=f"chooses all data (default {spec.seed})")
    made.add_argument("--stores", type=int, default=spec.stores, help=f"Scalev stores (default {spec.stores})")
    made.add_argument(
        "--customers-per-store",
        type=int,
        default=spec.customers_per_store,
        help=f"Scalev customers of each store (default {spec.customers_per_store})",
    )
    made.add_argument("--members", type=int, default=spec.members, help=f"KTSP members (default {spec.members})")
    made.add_argument(
        "--until", type=date.fromisoformat, default=spec.until, help=f"last day of the data (default {spec.until})"
    )
    made.add_argument("--days", type=int, default=spec.days, help=f"days of history (default {spec.days})")
    made.add_argument(
        "--orders-per-account",
        type=float,
        default=spec.orders_per_account,
        help=f"mean orders of a customer (default {spec.orders_per_account})",
    )
    made.add_argument("--latency-ms", type=float, default=0.0, help="added to every API answer (default 0)")
    made.add_argument(
        "--access-seconds",
        type=int,
        default=options.access_seconds,
        help=f"life of access tokens (default {options.access_seconds})",
    )
    made.add_argument(
        "--rate-limit", type=int, default=0, help="Scalev requests per 10 seconds; 0 is no limit (default)"
    )
    made.add_argument(
        "--ktsp-rate-limit", type=int, default=0, help="KTSP requests per 10 seconds; 0 is no limit (default)"
    )
    made.add_argument(
        "--announce",
        type=Path,
        help="write pid and port to this JSON file once the port is taken; a busy --port gives way to a free one",
    )
    return made


def _loopback(text: str) -> str:
    try:
        if ipaddress.ip_address(text).is_loopback:
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a loopback address such as 127.0.0.1")


def _listen(bind: str, port: int, *, elsewhere: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        return socket.create_server((bind, port), family=family, backlog=512)
    except OSError:
        if not elsewhere:
            raise
        return socket.create_server((bind, 0), family=family, backlog=512)


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGINT or SIGTERM; returns the exit code."""
    args = parser().parse_args(arguments)
    try:
        listener = _listen(args.bind, args.port, elsewhere=args.announce is not None)
    except OSError as error:
        sys.stderr.write(f"cannot listen on {args.bind}:{args.port}: {error.strerror}; try another --port\n")
        return 1
    spec = WorldSpec(
        seed=args.seed,
        stores=args.stores,
        customers_per_store=args.customers_per_store,
        members=args.members,
        until=args.until,
        days=args.days,
        orders_per_account=args.orders_per_account,
    )
    options = Options(
        latency_ms=args.latency_ms,
        access_seconds=args.access_seconds,
        rate_limit=args.rate_limit,
        ktsp_rate_limit=args.ktsp_rate_limit,
    )
    app = build_app(World(spec), options)
    port = listener.getsockname()[1]
    if args.announce is not None:
        draft = args.announce.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"pid": os.getpid(), "port": port}))
        draft.replace(args.announce)
    host = f"[{args.bind}]" if ":" in args.bind else args.bind
    sys.stdout.write(f"sandbox on http://{host}:{port}, seed {spec.seed}; accounts at /sandbox/accounts.toml\n")
    sys.stdout.flush()
    web.run_app(app, sock=listener, print=None, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`order-assets doctor`: the likely problems, and how to mend each. Order and printing; the checks are in `doctor`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
import typer
from rich.markup import escape

from order_assets import runtime
from order_assets import settings as configuration
from order_assets.accounts_file import AccountsFile, SettingsError
from order_assets.cli_common import FAILED, AsJson, out, print_json, server_words

if TYPE_CHECKING:
    from order_assets.doctor.finding import Finding

_SIGNS = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "problem": ("problem", "red")}


def doctor(
    port: Annotated[int, typer.Option(help="Port on which the UI is to be served.")] = 3000,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the APIs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for what most likely is wrong, and say how to mend it. Mends nothing.

    Accounts file and variables, keys, disk, port, database and its schema, clocks, the APIs and their TLS, runs that
    were abandoned, and how the last crawls ended. The exit code is 1 if there is a problem; warnings alone leave it 0.
    """
    findings: list[Finding] = []
    for finding in _findings(port, offline=offline):
        findings.append(finding)
        if not as_json:
            _print(finding)
    problems, warnings = (sum(finding.level == level for finding in findings) for level in ("problem", "warning"))
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        out.print(f"Problems: {problems}, warnings: {warnings}.", markup=False)
    if problems:
        raise typer.Exit(FAILED)


def _findings(port: int, *, offline: bool) -> Iterator[Finding]:
    from order_assets.doctor import database, network, place

    state = configuration.state_folder()
    file, found = place.accounts_file()
    yield from found
    yield from place.variables()
    opened = database.opened(state)
    yield from opened.findings
    engine = opened.engine
    ledger = None
    if engine is not None:
        schema = _guarded("schema", lambda: [database.schema(engine)])
        yield from schema
        yield from _guarded("clock", lambda: [database.clock(engine)])
        if schema[0].level == "ok" and database.is_current(engine):
            ledger = engine
    keys = list(place.keys(state, is_filled=ledger is not None and database.is_filled(ledger)))
    yield from keys
    if ledger is not None and not keys:
        yield from _guarded("keys", lambda: database.fitting_keys(ledger, state))
    yield from _guarded("accounts", lambda: database.configured(ledger, file))
    yield from _guarded("disk", lambda: place.folders(state, opened.data))
    yield place.dagster_home()
    yield place.port(port)
    for url in network.addresses(file) if file is not None and not offline else []:
        yield from _guarded("api", partial(network.api, url))
    if ledger is not None:
        yield from _guarded("verdicts", lambda: database.verdicts(ledger))
        stale = (file or AccountsFile()).checks.stale_hours
        yield from _guarded("freshness", lambda: database.freshness(ledger, stale, datetime.now(UTC)))
        yield from _guarded("abandoned_runs", _abandoned)
    if engine is not None:
        engine.dispose()


def _abandoned() -> Iterator[Finding]:
    """Look for runs whose process is gone; Dagster still calls them started."""
    from order_assets.defs.abandoned import abandoned_runs
    from order_assets.doctor.finding import warning

    os.environ.update(runtime.dagster_environment())
    gone = abandoned_runs()
    if gone:
        words = f"{len(gone)} runs are called started, and their process is gone, e.g. {gone[0]}"
        yield warning("abandoned_runs", words, "order-assets run (or the daemon of order-assets dev) ends them")


def _guarded(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Look; what cannot be looked at is a problem too, and hides none of the others."""
    from order_assets.doctor.finding import problem

    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
        why = type(error).__name__
        if isinstance(error, SettingsError | sa.exc.DBAPIError):
            why = server_words(error) if isinstance(error, sa.exc.DBAPIError) else str(error).splitlines()[0]
        return [problem(check, f"cannot be looked at: {why}", "mend the problems above first, then look again")]


def _print(finding: Finding) -> None:
    sign, style = _SIGNS[finding.level]
    out.print(f"[{style}]{sign}[/]  {finding.check:<14}  {escape(finding.words)}", soft_wrap=True)
    if finding.remedy:
        out.print(f"{'':>7}  {'':<14}  -> {finding.remedy}", markup=False, soft_wrap=True)

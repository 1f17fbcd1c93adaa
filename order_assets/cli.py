"""The `order-assets` command. Parsing and printing only; what it prints comes from `refresh` and the rings.

Exit codes: 0 all complete, 3 some accounts are not, 2 usage or configuration, 1 anything else.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections import Counter
from datetime import datetime
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
import typer

from order_assets import (
    cli_accounts,
    cli_doctor,
    cli_export,
    cli_init,
    cli_model,
    cli_parts,
    cli_probe,
    cli_report,
    runtime,
)
from order_assets.accounts_file import SettingsError
from order_assets.cli_common import (
    FAILED,
    NOT_ALL_COMPLETE,
    USAGE,
    AsJson,
    err,
    open_engine,
    open_settings,
    out,
    print_json,
    print_table,
    say,
    server_words,
    stop,
    warn,
)
from order_assets.cli_progress import Shown
from order_assets.report.location import report_file
from order_assets.sandbox import process as sandbox_process
from order_assets.settings import Settings
from order_assets.warehouse import embedded
from order_assets.warehouse.engine import WarehouseError, place_of, trouble

if TYPE_CHECKING:
    from order_assets.crawl.ledger import CrawlResult
    from order_assets.crawl.progress import Observer
    from order_assets.refresh import Outcome
    from order_assets.warehouse.checks import Findings

app = typer.Typer(
    help="Order histories of many Scalev customers and KTSP members, as facts and summaries in PostgreSQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, and those can be secrets
)
_BEGIN, _NUMBERS, _PARTS = "To begin with", "The numbers", "The parts"
app.command("init", rich_help_panel=_BEGIN)(cli_init.init)
app.command("doctor", rich_help_panel=_BEGIN)(cli_doctor.doctor)
app.add_typer(cli_accounts.app, name="accounts", rich_help_panel="Accounts")
cli_accounts.app.command("probe")(cli_probe.probe)
app.command("forget", rich_help_panel="Accounts")(cli_model.forget)
app.command("purge", rich_help_panel="Accounts")(cli_model.purge)
app.command("report", rich_help_panel=_NUMBERS)(cli_report.report)
app.command("export", rich_help_panel=_NUMBERS)(cli_export.export)
app.command("explain", rich_help_panel=_NUMBERS)(cli_model.explain)
app.command("restatements", rich_help_panel=_NUMBERS)(cli_model.restatements)
app.command("replay", rich_help_panel=_NUMBERS)(cli_model.replay)
app.add_typer(cli_parts.db_app, name="db", rich_help_panel=_PARTS)
app.add_typer(cli_parts.sandbox_app, name="sandbox", rich_help_panel=_PARTS)


_MORE = "What is wrong, and how to mend it: order-assets doctor"


class CrawlMode(StrEnum):
    """Values of --mode; the same as in Dagster's run config."""

    auto = "auto"
    full = "full"
    head = "head"


def _version(value: bool) -> None:  # noqa: FBT001 - as typer calls it
    if value:
        print(f"order-assets {metadata.version('order-assets')}")  # noqa: T201 - output
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    del version  # told by its callback


def main() -> None:
    """Run the command; turn known errors into a message that says what to do, and an exit code."""
    try:
        app()
    except SettingsError as error:
        stop(str(error), USAGE)
    except (WarehouseError, embedded.EmbeddedServerError, sandbox_process.SandboxError) as error:
        stop(f"{error}\n{_MORE}", FAILED)
    except MemoryError:
        stop(
            "Not enough memory. What was committed stays; give the process more (a refresh takes some 400 MB), then run"
            " it again.",
            FAILED,
        )
    except Exception as error:
        words = trouble(error)
        if words is None and isinstance(error, sa.exc.DBAPIError):
            stop(f"The database failed: {server_words(error)}\n{_MORE}", FAILED)
        if words is None:
            raise
        place = place_of(os.environ.get("ORDER_ASSETS_DAGSTER_URL", "postgresql://"))
        stop(
            f"The database at {place} failed: {words}\nWhat was committed stays; when the server is well again, run it"
            f" again. {_MORE}",
            FAILED,
        )


@app.command(rich_help_panel=_BEGIN)
def run(  # noqa: PLR0913 - the choices of the command
    accounts: Annotated[
        Path | None, typer.Option(help="Accounts file; default: accounts.toml, else the sandbox.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only this source: scalev or ktsp.")] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="Only this account, e.g. store_A/c-001; may be repeated.")
    ] = None,
    mode: Annotated[
        CrawlMode,
        typer.Option(
            help="auto: only the newest part of each history, as far as the rest is known and final, and whole"
            " histories once a week; full: whole histories; head: never whole ones if it can be helped."
        ),
    ] = CrawlMode.auto,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Date (UTC) at which customers' ages are taken; default: today, as it is for the daemon's runs.",
        ),
    ] = None,
    *,
    allow_shrink: Annotated[
        bool, typer.Option(help="Believe a history that lost many orders at once: they were deleted at the source.")
    ] = False,
    failed_only: Annotated[bool, typer.Option(help="Only accounts whose last crawl was not complete.")] = False,
    as_json: AsJson = False,
) -> None:
    """Crawl every account, build facts and summaries, run the checks, print verdicts and revenue."""
    if source not in {None, "scalev", "ktsp"}:
        stop(f"--source {source}: write scalev or ktsp", USAGE)
    if accounts is not None:
        os.environ["ORDER_ASSETS_ACCOUNTS"] = str(accounts)
    settings = open_settings()
    say(
        "Accounts: the sandbox (write accounts.toml to use your own)"
        if settings.is_sandbox
        else f"Accounts: {settings.accounts_path}"
    )
    engine = open_engine(settings)

    from order_assets import refresh
    from order_assets.crawl import accounts as known
    from order_assets.crawl import roster

    with engine.begin() as connection:
        known.sync(connection, settings)
        if not roster.every_account(connection, settings):
            raise SettingsError(
                f"{settings.accounts_path}: no customer and no member is configured or imported; see"
                " accounts.example.toml"
            )
    try:
        chosen = refresh.chosen_accounts(engine, source=source, keys=account or [], failed_only=failed_only)
    except KeyError as error:
        stop(f"--account {error.args[0]}: no such active account; see: order-assets accounts list", USAGE)
    if not any(chosen.values()):
        if account:
            stop("--account and --source or --failed-only leave no account to crawl", USAGE)
        say("No account to crawl.")
    try:
        totals = {system: len(keys) for system, keys in chosen.items() if keys}
        with Shown("accounts crawled", {**totals, _FACTS: None}, {_FACTS: "orders read"}) as shown:
            outcome = refresh.refresh(
                engine, settings, chosen, watching=_watching(shown), on_step=lambda step: say(_STEPS[step]),
                mode=mode.value,
                allow_shrink=allow_shrink, as_of=as_of.date() if as_of else None,
            )  # fmt: skip
    except refresh.RunFailedError as error:
        stop(str(error), FAILED)
    except (KeyboardInterrupt, refresh.Interrupted):
        stop("Stopped. What was committed stays; the next run goes on from there.", FAILED)
    print_json(_as_document(outcome)) if as_json else _print_outcome(outcome)
    _report(engine, settings, outcome.findings)
    engine.dispose()
    if outcome.unfinished:
        err.print(
            f"{len(outcome.unfinished)} of {len(outcome.accounts)} accounts are not complete; the others are committed."
            " Try them again with: order-assets run --failed-only",
            style="yellow",
        )
        raise typer.Exit(NOT_ALL_COMPLETE)


@app.command(rich_help_panel=_BEGIN)
def dev(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Serve the Dagster UI and run its daemon over the same data, until Ctrl-C."""
    from order_assets import serving

    settings = open_settings()
    open_engine(settings).dispose()
    try:
        raise typer.Exit(serving.serve(port, say=say))
    except serving.PortTakenError as error:
        stop(str(error), USAGE)


@app.command(rich_help_panel=_PARTS, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dagster(context: typer.Context) -> None:
    """Run Dagster's own command line over the same data, e.g.: order-assets dagster job list -w workspace.yaml."""
    os.environ.update(runtime.dagster_environment())
    # The muted line is Dagster's advice to use another command, given at every start.
    command = [sys.executable, "-W", "ignore:Function", "-m", "dagster", *context.args]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, no shell


@app.command(
    "exec", rich_help_panel=_PARTS, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def run_program(context: typer.Context) -> None:
    """Run a program over the same data, e.g.: order-assets exec dagster-daemon run. DAGSTER_HOME is kept if it is set.

    For the processes of a distributed installation; see deploy/README.md.
    """
    if not context.args:
        stop("Name a program, e.g.: order-assets exec dagster-daemon run", USAGE)
    home = os.environ.get("DAGSTER_HOME")
    open_engine(open_settings()).dispose()
    if home:
        os.environ["DAGSTER_HOME"] = home
    # Our own programs are found first, also where the virtual environment is not active.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    try:
        os.execvp(context.args[0], context.args)  # noqa: S606 - what the user asked for, no shell
    except OSError as error:
        stop(f"Cannot run {context.args[0]}: {error.strerror}", USAGE)


_STEPS = {"facts": "Loading facts ...", "summaries": "Recomputing touched months ..."}
_FACTS = "facts"


def _watching(shown: Shown) -> Observer:
    """Return who shows accounts by source, those that are not complete, and how far the load is."""
    from order_assets.crawl import progress

    trouble: Counter[str] = Counter()

    def account(result: CrawlResult) -> None:
        name = result.account.source_system
        trouble[name] += not result.verdict.is_complete
        shown.advance(name, note=f"{trouble[name]:,} not complete" if trouble[name] else "")

    def read(done: int, total: int) -> None:
        shown.expect(_FACTS, total)
        shown.advance(_FACTS, done)

    return progress.Observer(account, read)


def _report(engine: sa.Engine, settings: Settings, known: Findings) -> None:
    path = report_file()
    try:
        cli_report.write_report(engine, settings, path, known)
    except Exception as error:  # noqa: BLE001 - the data are there; a report that cannot be made must not hide that
        warn([f"{path}: cannot make the report ({type(error).__name__}); try: order-assets report"])
    else:
        say(f"Report: {path}")


def _print_outcome(outcome: Outcome) -> None:
    columns = ("account", "verdict", "reason", "orders", "new", "changed", "requests", "saved")
    rows = []
    for account in outcome.accounts:
        reason = account.reason if account.status == "complete" else f"{account.reason}: {account.words}"
        if account.resume_at is not None:
            reason += f"; to be asked again after {account.resume_at:%Y-%m-%d %H:%M} UTC"
        counts = (
            account.orders_seen, account.orders_new, account.orders_changed, account.requests, account.requests_saved,
        )  # fmt: skip
        rows.append([account.partition_key, account.status, reason, *(f"{n:,}" for n in counts)])
    print_table("Verdict per account", columns, rows, numbers_from=3)
    amounts = ("gross_sales_amount", "sales_discount_amount", "net_sales_amount", "payment_amount")
    print_table(
        "Revenue in this database, all accounts and dates",
        ("currency", "recognised", "open", "lost", "gross sales", "discounts", "net sales", "payments"),
        [
            [
                row.currency_code,
                *(f"{n:,}" for n in (row.orders_recognised, row.orders_open, row.orders_lost)),
                *(f"{getattr(row, name):,.2f}" for name in amounts),
            ]
            for row in outcome.revenue
        ],
        numbers_from=1,
    )
    new = sum(account.orders_new for account in outcome.accounts)
    changed = sum(account.orders_changed for account in outcome.accounts)
    saved = sum(account.requests_saved for account in outcome.accounts)
    complete = len(outcome.accounts) - len(outcome.unfinished)
    out.print(
        f"{complete} of {len(outcome.accounts)} accounts complete, {new:,} orders new, {changed:,} changed,"
        f" {len(outcome.months_recomputed)} months recomputed, {saved:,} requests saved."
        " See the runs with: make dev, or order-assets dev"
    )


def _as_document(outcome: Outcome) -> dict[str, object]:
    document = dataclasses.asdict(dataclasses.replace(outcome, findings={}))
    del document["findings"]  # Dagster keeps them, by asset and run
    return {**document, "complete": len(outcome.accounts) - len(outcome.unfinished)}


if __name__ == "__main__":
    main()

"""The `order-assets` command. Parsing and printing only; what it prints comes from `refresh` and the rings.

Exit codes: 0 all complete, 3 some accounts are not, 2 usage or configuration, 1 anything else.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, Self

import sqlalchemy as sa
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from order_assets import cli_accounts, runtime
from order_assets import settings as configuration
from order_assets.sandbox import process as sandbox_process
from order_assets.settings import Settings, SettingsError
from order_assets.warehouse import embedded
from order_assets.warehouse.engine import WarehouseError

if TYPE_CHECKING:
    from order_assets.crawl.ledger import CrawlResult
    from order_assets.refresh import Outcome

NOT_ALL_COMPLETE, USAGE, FAILED = 3, 2, 1
_STYLES = {"complete": "green", "incomplete": "yellow", "parked": "yellow", "failed": "red", "running": "yellow"}

_PIPE_WIDTH = 140  # a file or a pipe has no width of its own; nothing is cut off there


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


out = _console(stderr=False)
err = _console(stderr=True)

app = typer.Typer(
    help="Order histories of many Scalev customers and KTSP members, as facts and summaries in PostgreSQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, and those can be secrets
)
db_app = typer.Typer(help="The embedded PostgreSQL.", no_args_is_help=True)
sandbox_app = typer.Typer(help="Both APIs as a local server with believable data.", no_args_is_help=True)
app.add_typer(cli_accounts.app, name="accounts")
app.add_typer(db_app, name="db")
app.add_typer(sandbox_app, name="sandbox")


class CrawlMode(StrEnum):
    """Values of --mode; the same as in Dagster's run config."""

    auto = "auto"
    full = "full"
    head = "head"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables.")]


def main() -> None:
    """Run the command; turn known errors into a message that says what to do, and an exit code."""
    try:
        app()
    except SettingsError as error:
        _stop(str(error), USAGE)
    except (WarehouseError, embedded.EmbeddedServerError, sandbox_process.SandboxError) as error:
        _stop(str(error), FAILED)


def _stop(message: str, code: int) -> NoReturn:
    err.print(message, style="red", markup=False, soft_wrap=True)
    sys.exit(code)


@app.command()
def run(
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
    *,
    allow_shrink: Annotated[
        bool, typer.Option(help="Believe a history that lost many orders at once: they were deleted at the source.")
    ] = False,
    failed_only: Annotated[bool, typer.Option(help="Only accounts whose last crawl was not complete.")] = False,
    as_json: AsJson = False,
) -> None:
    """Crawl every account, build facts and summaries, run the checks, print verdicts and revenue."""
    if source not in {None, "scalev", "ktsp"}:
        _stop(f"--source {source}: write scalev or ktsp", USAGE)
    if accounts is not None:
        os.environ["ORDER_ASSETS_ACCOUNTS"] = str(accounts)
    settings = _settings()
    if not settings.roster():
        _stop(f"{settings.accounts_path}: no customer and no member is configured; see accounts.example.toml", USAGE)
    _say(
        "Accounts: the sandbox (write accounts.toml to use your own)"
        if settings.is_sandbox
        else f"Accounts: {settings.accounts_path}"
    )
    engine = _open(settings)

    from order_assets import refresh
    from order_assets.crawl import accounts as roster

    with engine.begin() as connection:
        roster.sync(connection, settings)
    try:
        chosen = refresh.chosen_accounts(engine, source=source, keys=account or [], failed_only=failed_only)
    except KeyError as error:
        _stop(f"--account {error.args[0]}: no such active account; see: order-assets accounts list", USAGE)
    if not any(chosen.values()):
        if account:
            _stop("--account and --source or --failed-only leave no account to crawl", USAGE)
        _say("No account to crawl.")
    try:
        with _Progress({system: len(keys) for system, keys in chosen.items() if keys}) as shown:
            outcome = refresh.refresh(
                engine, settings, chosen, on_account=shown.account, on_step=shown.step, mode=mode.value,
                allow_shrink=allow_shrink,
            )  # fmt: skip
    except refresh.RunFailedError as error:
        _stop(str(error), FAILED)
    except (KeyboardInterrupt, refresh.Interrupted):
        _stop("Stopped. What was committed stays; the next run goes on from there.", FAILED)
    finally:
        engine.dispose()
    _print_json(outcome) if as_json else _print_outcome(outcome)
    if outcome.unfinished:
        err.print(
            f"{len(outcome.unfinished)} of {len(outcome.accounts)} accounts are not complete; the others are committed."
            " Try them again with: order-assets run --failed-only",
            style="yellow",
        )
        raise typer.Exit(NOT_ALL_COMPLETE)


@app.command()
def dev(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Serve the Dagster UI and run its daemon over the same data, until Ctrl-C."""
    from order_assets import serving

    settings = _settings()
    _open(settings).dispose()
    try:
        raise typer.Exit(serving.serve(port, say=_say))
    except serving.PortTakenError as error:
        _stop(str(error), USAGE)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dagster(context: typer.Context) -> None:
    """Run Dagster's own command line over the same data, e.g.: order-assets dagster job list -w workspace.yaml."""
    os.environ.update(runtime.dagster_environment())
    # The muted line is Dagster's advice to use another command, given at every start.
    command = [sys.executable, "-W", "ignore:Function", "-m", "dagster", *context.args]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, no shell


@db_app.command("start")
def db_start() -> None:
    """Start the embedded PostgreSQL if it is not running."""
    runtime.database_url()
    db_status()


@db_app.command("stop")
def db_stop() -> None:
    """Stop the embedded PostgreSQL; data stay."""
    stopped = embedded.down(configuration.state_folder())
    _say("PostgreSQL stopped." if stopped else "PostgreSQL was not running.")


@db_app.command("status")
def db_status() -> None:
    """Say whether the embedded PostgreSQL runs, and where."""
    if configuration.configured_database_url() is not None:
        _say("ORDER_ASSETS_DATABASE_URL is set, so the embedded PostgreSQL is not used.")
    found = embedded.status(configuration.state_folder())
    where = f"runs on 127.0.0.1:{found.port} (pid {found.pid})" if found.running else "is not running"
    _say(f"{found.version or 'PostgreSQL'} {where}; data in {found.data}")


@db_app.command("url")
def db_url() -> None:
    """Print the URL of the database in use, password included, for psql and other programs."""
    print(runtime.database_url().get_secret_value())  # noqa: T201 - for programs


@db_app.command("psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def db_psql(context: typer.Context) -> None:
    """Open psql on the database in use; further arguments go to psql."""
    url = runtime.database_url().get_secret_value()
    psql = embedded.psql(configuration.state_folder())
    if psql is None:
        _stop("This installation has no psql; use your own with: order-assets db url", FAILED)
    # The password goes by environment, where `ps` does not show it.
    os.environ["PGPASSWORD"], bare = _without_password(url)
    os.execv(psql, [str(psql), bare, *context.args])  # noqa: S606 - the bundled psql, no shell


@sandbox_app.command("serve")
def sandbox_serve() -> None:
    """Start the sandbox in the background if it is not running, and print its address."""
    _say(f"The sandbox answers at {sandbox_process.start(configuration.state_folder())}")


@sandbox_app.command("stop")
def sandbox_stop() -> None:
    """Stop the sandbox."""
    stopped = sandbox_process.stop(configuration.state_folder())
    _say("The sandbox stopped." if stopped else "The sandbox was not running.")


@sandbox_app.command("status")
def sandbox_status() -> None:
    """Say whether the sandbox runs, and where."""
    found = sandbox_process.status(configuration.state_folder())
    _say(f"The sandbox answers at {found.base_url} (pid {found.pid})" if found else "The sandbox is not running.")


def _settings() -> Settings:
    settings = runtime.open_settings()
    for warning in settings.warnings:
        err.print(f"Warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    return settings


def _open(settings: Settings) -> sa.Engine:
    """Return an engine, with the environment that Dagster's processes need."""
    os.environ.update(runtime.dagster_environment())
    engine = runtime.open_engine()

    from order_assets.crawl import accounts as roster
    from order_assets.crawl import installation

    with engine.begin() as connection:
        foreign = roster.foreign_origin(connection, settings)
        if foreign and settings.is_sandbox:
            raise SettingsError(
                f"no accounts file is configured, and the sandbox must not mix into a database with {foreign} real"
                " accounts; write accounts.toml, or point ORDER_ASSETS_DATABASE_URL to an empty database"
            )
        warnings = installation.check(connection, settings)
    if foreign:
        warnings.append(
            f"this database already holds orders of {foreign} sandbox accounts, and sums will mix both. Point"
            " ORDER_ASSETS_DATABASE_URL to an empty database to keep them apart."
        )
    for warning in warnings:
        err.print(f"Warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    return engine


def _without_password(url: str) -> tuple[str, str]:
    parsed = sa.make_url(url)
    bare = parsed.set(drivername="postgresql", password=None)
    return str(parsed.password or ""), bare.render_as_string(hide_password=False)


def _say(message: str) -> None:
    err.print(message, markup=False, soft_wrap=True)


class _Progress:
    """A bar per source on a terminal, plain lines elsewhere; on stderr, so that stdout stays the result."""

    def __init__(self, totals: dict[str, int]) -> None:
        self._totals = totals
        self._done = dict.fromkeys(totals, 0)
        self._trouble = dict.fromkeys(totals, 0)
        self._bars = Progress(
            TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(), TimeRemainingColumn(), console=err, disable=not err.is_terminal,
        )  # fmt: skip
        self._tasks = {name: self._bars.add_task(name, total=total, note="") for name, total in totals.items()}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def account(self, result: CrawlResult) -> None:
        """Count an account that ended."""
        name = result.account.source_system
        self._done[name] += 1
        self._trouble[name] += not result.verdict.is_complete
        note = f"{self._trouble[name]} not complete" if self._trouble[name] else ""
        self._bars.update(self._tasks[name], advance=1, note=note)
        done, total = self._done[name], self._totals[name]
        if not err.is_terminal and (done == total or done % max(total // 4, 1) == 0):
            _say(f"{name}: {done} of {total} accounts crawled{', ' + note if note else ''}")

    def step(self, name: str) -> None:
        """Say which step begins."""
        words = {"facts": "Loading facts ...", "summaries": "Recomputing touched months ..."}
        err.print(words[name])


def _styled(status: str) -> str:
    return f"[{_STYLES[status]}]{status}[/]" if status in _STYLES else status


def _table(title: str, **columns: Literal["left", "right"]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in columns.items():
        # Folded rather than cut off: an account or an amount must be readable on a narrow terminal too.
        table.add_column(name.replace("_", " "), justify=justify, overflow="fold")
    return table


def _print_outcome(outcome: Outcome) -> None:
    verdicts = _table(
        "Verdict per account", account="left", verdict="left", reason="left", orders="right", new="right",
        changed="right", requests="right",
    )  # fmt: skip
    for account in outcome.accounts:
        reason = account.reason if account.status == "complete" else f"{account.reason}: {account.words}"
        counts = (account.orders_seen, account.orders_new, account.orders_changed, account.requests)
        verdicts.add_row(
            escape(account.partition_key), _styled(account.status), escape(reason), *(f"{n:,}" for n in counts)
        )
    out.print(verdicts)
    revenue = _table(
        "Revenue in this database, all accounts and dates", currency="left", recognised="right", open="right",
        lost="right", gross_sales="right", discounts="right", net_sales="right", payments="right",
    )  # fmt: skip
    for row in outcome.revenue:
        amounts = (row.gross_sales_amount, row.sales_discount_amount, row.net_sales_amount, row.payment_amount)
        orders = (row.orders_recognised, row.orders_open, row.orders_lost)
        revenue.add_row(row.currency_code, *(f"{n:,}" for n in orders), *(f"{amount:,.2f}" for amount in amounts))
    out.print(revenue)
    new = sum(account.orders_new for account in outcome.accounts)
    changed = sum(account.orders_changed for account in outcome.accounts)
    complete = len(outcome.accounts) - len(outcome.unfinished)
    out.print(
        f"{complete} of {len(outcome.accounts)} accounts complete, {new:,} orders new, {changed:,} changed,"
        f" {len(outcome.months_recomputed)} months recomputed. See the runs with: make dev"
    )


def _print_json(outcome: Outcome) -> None:
    document = dataclasses.asdict(outcome)
    document["complete"] = len(outcome.accounts) - len(outcome.unfinished)
    print(json.dumps(document, indent=2, default=str))  # noqa: T201 - for programs


if __name__ == "__main__":
    main()

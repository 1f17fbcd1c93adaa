"""`order-assets accounts ...`: list, check, import and retire accounts. Parsing and printing only."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import sqlalchemy as sa
import typer

from order_assets import settings as configuration
from order_assets.accounts_file import SettingsError
from order_assets.cli_common import (
    FAILED,
    NOT_ALL_COMPLETE,
    AsJson,
    err,
    open_engine,
    open_settings,
    out,
    print_json,
    print_table,
    say,
    stop,
    warn,
)
from order_assets.cli_progress import Shown
from order_assets.settings import Settings, SourceSystem

if TYPE_CHECKING:
    from order_assets.crawl.accounts import AccountOverview
    from order_assets.crawl.checking import Finding

app = typer.Typer(help="The accounts that are crawled.", no_args_is_help=True)

Source = Annotated[Literal["scalev", "ktsp"] | None, typer.Option(help="Only this source.")]
State = Literal["new", "active", "needs_sign_in", "not_found", "retired"]


@app.command("list")
def list_accounts(
    *, state: Annotated[State | None, typer.Option(help="Only accounts in this state.")] = None, as_json: AsJson = False
) -> None:
    """List the accounts, where they come from and how their last crawl ended."""
    from order_assets.crawl import accounts as roster

    settings = open_settings()
    # Reading only: a look must not retire anybody.
    with _opened(settings) as engine, engine.connect() as connection:
        rows = roster.overview(connection, settings, state=state)
    print_json([dataclasses.asdict(row) for row in rows]) if as_json else _print_overview(rows)


@app.command("check")
def check_accounts(
    source: Source = None,
    account: Annotated[
        list[str] | None, typer.Option(help="Only this account, e.g. store_A/c-001; may be repeated.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ask the API once per account and say whose credentials work. Renews no token and changes no account.

    Ends with exit code 3 unless every account is valid, or expired and renewed by the next crawl by itself.
    """
    from order_assets.crawl import accounts as roster
    from order_assets.crawl import checking
    from order_assets.crawl.session import Session

    settings = open_settings()
    with _opened(settings) as engine:
        with engine.connect() as connection:
            chosen = _chosen(roster.states(connection, settings), source, account or [])
        try:
            with Session(engine) as session, Shown("accounts checked", {"check": None}) as shown:
                findings = checking.check_accounts(
                    engine,
                    settings,
                    chosen,
                    gate_of=checking.shared_gates(engine, session, settings),
                    on_start=lambda totals: shown.expect("check", sum(totals.values())),
                    on_finding=lambda _: shown.advance("check"),
                )
        except KeyboardInterrupt:
            stop("Stopped. Nothing was changed.", FAILED)
    print_json([_as_document(finding) for finding in findings]) if as_json else _print_findings(findings)
    bad = sum(not finding.is_good for finding in findings)
    if bad:
        err.print(f"{bad} of {len(findings)} accounts need attention.", style="yellow")
        raise typer.Exit(NOT_ALL_COMPLETE)
    if not findings:
        say("No account to check.")


@app.command("import")
def import_accounts(
    file: Annotated[Path, typer.Argument(help="The file, e.g. customers.csv or more-accounts.toml.")],
    *,
    file_format: Annotated[
        Literal["toml", "csv"] | None, typer.Option("--format", help="Told from the file's ending by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import accounts into the database, tokens encrypted; for thousands of accounts.

    The file is written like the accounts file (TOML), or is a CSV with
    these columns in any order. Columns that no row needs can be left out.

    source         scalev or ktsp
    account        the store_id, or the name of the programme
    name           the customer's name (yours to choose), or the member_id
    access_token   Scalev
    refresh_token  Scalev; optional, renews the access token
    token          KTSP; only for a member with a token of its own

    A store or programme that is neither in the accounts file nor was
    imported before is described in the same rows, in one of them or in all:

    time_zone, currency    optional
    storefront_key         Scalev; needed to renew tokens
    base_url               KTSP; needed. Scalev: as in the accounts file
    app_key, app_secret    KTSP; needed

    A token or key is written out, or as env:NAME or file:PATH. Example:

    source,account,name,access_token,refresh_token,storefront_key
    scalev,store_A,c-001,eyJhbGci...,eyJhbGci...,env:STORE_A_KEY
    scalev,store_A,c-002,eyJhbGci...,eyJhbGci...,

    All of it is checked before anything is written. To import the same
    tokens again keeps those that were renewed since; other tokens replace
    them. Accounts that were retired come back.
    """
    from order_assets.crawl import import_file, importing
    from order_assets.crawl.encryption import Vault

    if configuration.accounts_path() is None:
        raise SettingsError(
            "imported accounts would mix with those of the sandbox, which stands in for a missing accounts file."
            f" Write {configuration.project_folder() / 'accounts.toml'} first; it may be empty"
        )
    settings = open_settings()
    imported = import_file.read(file, settings, file_format)
    warn(imported.warnings)
    with _opened(settings) as engine, engine.begin() as connection:
        counts = importing.store(connection, settings, Vault(settings.keys.encryption), imported)
    if as_json:
        print_json(dataclasses.asdict(counts))
        return
    described = f" Stores and programmes written: {counts.sources}." if counts.sources else ""
    say(
        f"{file}: {counts.added:,} accounts added, {counts.changed:,} changed, {counts.unchanged:,} unchanged."
        f"{described} See whose credentials work with: order-assets accounts check"
    )


@app.command("retire")
def retire_account(
    key: Annotated[str, typer.Argument(help="The account, e.g. store_A/c-001.")],
    source: Source = None,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Crawl the account again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop crawling an account, even while the accounts file lists it. Its orders and its history stay."""
    from order_assets.crawl import accounts as roster

    settings = open_settings()
    with _opened(settings) as engine, engine.begin() as connection:
        change = (roster.bring_back if undo else roster.retire)(connection, settings, key, source_system=source)
    if as_json:
        print_json(dataclasses.asdict(change))
    elif undo and change.state_before != "retired":
        say(f"{key} is not retired.")
    else:
        say(f"{key} is crawled again." if undo else f"{key} is retired. Bring it back with --undo.")


@contextmanager
def _opened(settings: Settings) -> Iterator[sa.Engine]:
    """Open the database for one command; a key that is missing is a mistake of the configuration."""
    from order_assets.crawl.encryption import DecryptionError

    engine = open_engine(settings)
    try:
        yield engine
    except DecryptionError as error:
        raise SettingsError(str(error)) from None
    finally:
        engine.dispose()


# list


def _print_overview(rows: Sequence[AccountOverview]) -> None:
    columns = ("source", "account", "state", "origin", "zone", "currency", "last crawl", "verdict", "reason")
    cells = []
    for row in rows:
        state = f"{row.state} by {row.retired_by}" if row.retired_by else row.state
        crawled = f"{row.finished_at:%Y-%m-%d %H:%M} UTC" if row.finished_at else "never"
        reason = f"{row.reason}; resume at {row.resume_at:%Y-%m-%d %H:%M} UTC" if row.resume_at else row.reason
        cells.append([
            row.source_system, row.partition_key, state, row.origin, row.time_zone, row.currency, crawled,
            row.status or "-", reason or "-",
        ])  # fmt: skip
    print_table("Accounts", columns, cells)


# check


def _chosen(
    states: Mapping[tuple[SourceSystem, str], str], source: SourceSystem | None, keys: Sequence[str]
) -> dict[SourceSystem, list[str] | None]:
    """Return whom to check by source (None: everybody of it)."""
    from order_assets.crawl.accounts import find

    if not keys:
        systems: tuple[SourceSystem, ...] = ("scalev", "ktsp") if source is None else (source,)
        return dict.fromkeys(systems)
    chosen: dict[SourceSystem, list[str] | None] = {}
    for key in keys:
        for system in find(states, key, source):
            if states[system, key] == "retired":
                raise SettingsError(f"{key} is retired; bring it back with: order-assets accounts retire {key} --undo")
            chosen[system] = [*(chosen.get(system) or []), key]
    return chosen


def _next_step(finding: Finding) -> str:
    if finding.is_renewable is not None:
        return "renewable" if finding.is_renewable else "sign in again"
    if finding.outcome == "rate_limited":
        return "wait" if finding.wait_seconds is None else f"wait {finding.wait_seconds:,.0f} s"
    return ""


def _as_document(finding: Finding) -> dict[str, Any]:
    return {**dataclasses.asdict(finding), "next_step": _next_step(finding) or None, "is_good": finding.is_good}


def _print_findings(findings: Sequence[Finding]) -> None:

    cells = []
    for finding in findings:
        orders = "" if finding.orders is None else f"{finding.orders}{', more follow' if finding.has_more else ''}"
        cells.append([
            finding.source_system, finding.partition_key, str(finding.outcome), _next_step(finding), orders,
            finding.words,
        ])  # fmt: skip
    columns = ("source", "account", "outcome", "next step", "orders on first page", "reason")
    print_table("Credentials", columns, cells)
    counts = Counter(str(finding.outcome) for finding in findings)
    out.print(", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common()))

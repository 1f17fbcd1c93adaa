"""`order-assets init`: an accounts file by asking, or by options. The text itself is made by `initial_file`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from order_assets import settings as configuration
from order_assets.accounts_file import BaseUrl, Currency, Name, Zone
from order_assets.cli_common import USAGE, err, say, stop

if TYPE_CHECKING:
    from order_assets.initial_file import Table

_REFERENCE = "env:NAME or file:PATH"


def init(  # noqa: PLR0913 - the answers, for scripts
    out: Annotated[Path | None, typer.Option(help="File to write; default: accounts.toml.", dir_okay=False)] = None,
    *,
    store: Annotated[str | None, typer.Option(help="Scalev: the store's unique_id.")] = None,
    customer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TOKEN[,REFRESH]", help=f"Scalev: a customer; tokens as {_REFERENCE}. May be repeated."
        ),
    ] = None,
    storefront_key: Annotated[str | None, typer.Option(help=f"Scalev: renews tokens; {_REFERENCE}.")] = None,
    scalev_url: Annotated[str | None, typer.Option(help="Scalev: default https://api.scalev.com.")] = None,
    programme: Annotated[str | None, typer.Option(help="KTSP: a name for the programme.")] = None,
    ktsp_url: Annotated[str | None, typer.Option(help="KTSP: address of the API.")] = None,
    app_key: Annotated[str | None, typer.Option(help=f"KTSP: {_REFERENCE}.")] = None,
    app_secret: Annotated[str | None, typer.Option(help=f"KTSP: {_REFERENCE}.")] = None,
    member: Annotated[list[str] | None, typer.Option(help="KTSP: a member_id. May be repeated.")] = None,
) -> None:
    """Write an accounts file, with every setting explained in it, by asking.

    Tokens are not shown as you type them; instead of one, env:NAME or file:PATH says where it is. The file can be read
    by you alone. With --store or --programme nothing is asked, and tokens must be env:NAME or file:PATH, because
    command lines can be seen by others.
    """
    from order_assets import initial_file

    path = (out or configuration.project_folder() / "accounts.toml").absolute()
    if path.exists():
        stop(f"{path}: there is an accounts file already; edit it, or choose another: --out", USAGE)
    if store is not None or programme is not None:
        tables = [
            *_scalev_of(store, customer or [], storefront_key, scalev_url),
            *_ktsp_of(programme, ktsp_url, app_key, app_secret, member or []),
        ]
    elif sys.stdin.isatty():
        try:
            tables = [*_ask_scalev(), *_ask_ktsp()]
        except typer.Abort:
            stop("Stopped. Nothing was written.", USAGE)
    else:
        stop("There is no terminal to ask on; answer by options, see: order-assets init --help", USAGE)
    if not tables:
        stop("Neither a store nor a programme: nothing was written. Without accounts, the sandbox is crawled.", USAGE)
    initial_file.write(path, initial_file.render(tables))
    say(f"{path} is written. Whose credentials work: order-assets accounts check. Then: order-assets run")


# By options


def _reference(option: str, text: str | None) -> str:
    from order_assets.initial_file import secret

    kind, _, rest = (text or "").partition(":")
    if kind not in {"env", "file"} or not rest:
        stop(f"{option}: write {_REFERENCE}; a secret on the command line can be seen by others", USAGE)
    return secret(f"{kind}:{rest}")


def _scalev_of(store: str | None, customers: list[str], key: str | None, url: str | None) -> list[Table]:
    from order_assets.initial_file import Table, quoted

    if store is None:
        return []
    keys = {} if key is None else {"storefront_key": _reference("--storefront-key", key)}
    tables = [
        Table("[scalev]", {} if url is None else {"base_url": quoted(url)}),
        Table("[[scalev.stores]]", {"store_id": quoted(store), **keys}),
    ]
    for each in customers:
        name, _, tokens = each.partition("=")
        access, _, refresh = tokens.partition(",")
        values = {"name": quoted(name), "access_token": _reference("--customer", access)}
        if refresh:
            values["refresh_token"] = _reference("--customer", refresh)
        tables.append(Table("[[scalev.stores.customers]]", values))
    return tables


def _ktsp_of(
    programme: str | None, url: str | None, app_key: str | None, app_secret: str | None, members: list[str]
) -> list[Table]:
    from order_assets.initial_file import Table, quoted

    if programme is None:
        return []
    if url is None:
        stop("--programme needs --ktsp-url: the vendor does not publish its production address", USAGE)
    values = {
        "name": quoted(programme),
        "base_url": quoted(url),
        "app_key": _reference("--app-key", app_key),
        "app_secret": _reference("--app-secret", app_secret),
    }
    listed = [Table("[[ktsp.programmes.members]]", {"member_id": quoted(member)}) for member in members]
    return [Table("[ktsp]", {}), Table("[[ktsp.programmes]]", values), *listed]


# By asking


def _ask_scalev() -> list[Table]:
    from order_assets.initial_file import Table, quoted, secret

    if not _yes("Do you have customers of a Scalev store?"):
        return []
    url = _ask("Address of the API", BaseUrl, "https://api.scalev.com")
    tables = [Table("[scalev]", {"base_url": quoted(url)})]
    more = True
    while more:
        values = {
            "store_id": quoted(_ask("The store's unique_id", Name)),
            "time_zone": quoted(_ask("Its time zone", Zone, "Asia/Jakarta")),
            "currency": quoted(_ask("Its currency", Currency, "IDR")),
        }
        key = _ask_secret("Storefront key, renews tokens (Enter: none)", needed=False)
        tables.append(Table("[[scalev.stores]]", {**values, **({"storefront_key": secret(key)} if key else {})}))
        taken: set[str] = set()
        while True:
            suggested = f"c-{len(taken) + 1:03}"
            name = _ask_new("A name for a customer, yours to choose, no personal data", taken, suggested)
            values = {"name": quoted(name), "access_token": secret(_ask_secret("Access token"))}
            refresh = _ask_secret("Refresh token (Enter: none)", needed=False)
            values |= {"refresh_token": secret(refresh)} if refresh else {}
            tables.append(Table("[[scalev.stores.customers]]", values))
            if not _yes("Another customer of this store?", default=False):
                break
        more = _yes("Another store?", default=False)
    return tables


def _ask_ktsp() -> list[Table]:
    from order_assets.initial_file import Table, quoted, secret

    if not _yes("Do you have members of a KTSP programme?"):
        return []
    values = {
        "name": quoted(_ask("A name for the programme", Name, "ktsp")),
        "base_url": quoted(_ask("Address of the API", BaseUrl)),
        "app_key": secret(_ask_secret("App key")),
        "app_secret": secret(_ask_secret("App secret")),
        "time_zone": quoted(_ask("Its time zone", Zone, "Asia/Hong_Kong")),
        "currency": quoted(_ask("Its currency", Currency, "HKD")),
    }
    tables = [Table("[ktsp]", {}), Table("[[ktsp.programmes]]", values)]
    more, taken = True, set[str]()
    while more:
        member = _ask_new("A member_id", taken)
        tables.append(Table("[[ktsp.programmes.members]]", {"member_id": quoted(member)}))
        more = _yes("Another member?", default=False)
    return tables


def _ask(question: str, kind: Any, default: str | None = None) -> str:
    """Ask until the answer is one that the accounts file may hold."""
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    def read(text: str) -> str:
        return adapter.validate_python(text.strip())

    return _until_good(lambda: read(typer.prompt(question, default=default, err=True)))


def _ask_new(question: str, taken: set[str], default: str | None = None) -> str:
    """Ask for a name until it is one that was not given before."""
    while (name := _ask(question, Name, default)) in taken:
        err.print(f"{name} is in the file already", style="red", markup=False)
    taken.add(name)
    return name


def _ask_secret(question: str, *, needed: bool = True) -> str:
    """Ask without showing the answer, until what `env:NAME` or `file:PATH` refer to is there."""
    while True:
        asked: str = typer.prompt(
            f"{question} [not shown; or {_REFERENCE}]", default=None if needed else "", show_default=False,
            hide_input=True, err=True,
        )  # fmt: skip
        kind, _, rest = asked.strip().partition(":")
        if kind == "env" and rest and not os.environ.get(rest):
            err.print(f"{rest} is not set here; name another, or give the secret", style="red", markup=False)
        elif kind == "file" and rest and not Path(rest).expanduser().is_file():
            err.print(f"there is no file {rest}", style="red", markup=False)
        else:
            return asked.strip()


def _until_good(ask: Callable[[], str]) -> str:
    while True:
        try:
            return ask()
        except ValidationError as error:
            err.print(str(error.errors()[0]["msg"]).removeprefix("Value error, "), style="red", markup=False)


def _yes(question: str, *, default: bool = True) -> bool:
    return typer.confirm(question, default=default, err=True)

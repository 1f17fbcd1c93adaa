"""`order-assets accounts probe`: what an API does that its documents leave open. Printing only; see `crawl.probing`."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

import typer

from order_assets.accounts_file import SettingsError
from order_assets.cli_common import (
    FAILED,
    NOT_ALL_COMPLETE,
    AsJson,
    open_engine,
    open_settings,
    print_json,
    print_table,
    say,
    stop,
)

_WORDS = {True: "as assumed", False: "differs", None: "-"}


def probe(
    key: Annotated[str, typer.Argument(help="The account to ask with, e.g. store_A/c-001; best one with many orders.")],
    source: Annotated[Literal["scalev", "ktsp"] | None, typer.Option(help="Only this source.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ask an API, with one account, what its documents leave open: about eight requests, read-only, nothing stored.

    Ends with exit code 3 where the API does other than the crawl assumes; docs/unknowns.md says what that means.
    """
    from order_assets.clients.errors import ApiError
    from order_assets.crawl import accounts, checking, probing
    from order_assets.crawl.encryption import DecryptionError
    from order_assets.crawl.session import Session

    settings = open_settings()
    engine = open_engine(settings)
    try:
        with engine.connect() as connection:
            (system, *others) = accounts.find(accounts.states(connection, settings), key, source)
        if others:
            raise SettingsError(f"scalev and ktsp both have an account {key}; add --source scalev or --source ktsp")
        with Session(engine) as session:
            gate_of = checking.shared_gates(engine, session, settings)
            answers = probing.probe_account(engine, settings, system, key, gate_of=gate_of)
    except ApiError as error:
        stop(f"{key}: {error.words} ({error.reason}). See: order-assets accounts check --account {key}", FAILED)
    except DecryptionError as error:
        raise SettingsError(str(error)) from None
    except KeyError:
        raise SettingsError(f"{key} is retired or has no credential; see: order-assets accounts list") from None
    except KeyboardInterrupt:
        stop("Stopped. Nothing was changed.", FAILED)
    finally:
        engine.dispose()
    if as_json:
        print_json([dataclasses.asdict(answer) for answer in answers])
    else:
        print_table(
            f"What the API does, asked with {key}",
            ("question", "found", "", "setting"),
            [[answer.question, answer.found, _WORDS[answer.is_as_assumed], answer.setting] for answer in answers],
        )
    if any(answer.is_as_assumed is False for answer in answers):
        say("Where it differs, the crawl still loses nothing; docs/unknowns.md says what it costs and what to turn.")
        raise typer.Exit(NOT_ALL_COMPLETE)

"""Files to import: what is read from them, and every wrong thing with its place and without a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_assets.accounts_file import KtspMember, ScalevCustomer, SettingsError
from order_assets.crawl import import_file
from order_assets.crawl.import_file import ImportFile
from order_assets.settings import Settings
from order_assets_tests.crawl.rosters import csv_of, settings_of

CANARY = "canary-eyJhbGciOiJIUzI1NiJ9"
OWN = settings_of(
    """
    [scalev]
    base_url = "https://scalev.example"
    [[scalev.stores]]
    store_id = "mine"
    [[scalev.stores.customers]]
    name = "c-1"
    access_token = "t"
    """
)


def _read(text: str, name: str = "more.csv", settings: Settings = OWN) -> ImportFile:
    path = Path(name)
    path.write_bytes(text.encode())
    path.chmod(0o600)
    return import_file.read(path, settings)


def _error(text: str, name: str = "more.csv") -> str:
    with pytest.raises(SettingsError) as caught:
        _read(text, name)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_a_csv_says_who_and_below_which_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a column could be read as another, and a token sent for another customer."""
    monkeypatch.setenv("STORE_KEY", "key-1")
    Path("token.txt").write_text("from-file\n", encoding="utf-8")
    imported = _read(
        "source,account,name,access_token,refresh_token,token,time_zone,currency,base_url,storefront_key,app_key,app_secret\n"
        "scalev,s,c-1, a-1 ,r-1,,Asia/Makassar,,https://scalev.example/,env:STORE_KEY,,\n"
        "scalev,s,c-2,file:token.txt,,,,,,,,\n"
        "ktsp,p,KT1,,,own,,USD,https://k.example,,k,sec\n"
        "ktsp,p,KT2,,,,,,,,,\n"
    )
    people = {entry.partition_key: (entry.line, entry.person) for entry in imported.entries}
    assert people == {
        "s/c-1": (2, ScalevCustomer.model_validate({"name": "c-1", "access_token": "a-1", "refresh_token": "r-1"})),
        "s/c-2": (3, ScalevCustomer.model_validate({"name": "c-2", "access_token": "from-file"})),
        "p/KT1": (4, KtspMember.model_validate({"member_id": "KT1", "token": "own"})),
        "p/KT2": (5, KtspMember(member_id="KT2")),
    }
    store = imported.sources["scalev", "s"].values
    assert {name: (cell.line, cell.value) for name, cell in store.items()} == {
        "time_zone": (2, "Asia/Makassar"),
        "base_url": (2, "https://scalev.example/"),
        "storefront_key": (2, {"env": "STORE_KEY"}),
    }
    assert set(imported.sources["ktsp", "p"].values) == {"currency", "base_url", "app_key", "app_secret"}


def test_the_toml_is_the_one_of_the_accounts_file() -> None:
    """Without it, a file that works as accounts file could not be imported, or its lines be named wrongly."""
    imported = _read(
        '[scalev]\nbase_url = "https://scalev.example"\n[[scalev.stores]]\nstore_id = "s"\nstorefront_key = "k"\n'
        '[[scalev.stores.customers]]\nname = "c-1"\naccess_token = "a"\n'
        '[[ktsp.programmes]]\nname = "p"\nbase_url = "https://k.example"\napp_key = "k"\n'
        '[[ktsp.programmes.members]]\nmember_id = "KT1"\n',
        "more.toml",
    )
    assert [(entry.line, entry.source_system, entry.partition_key) for entry in imported.entries] == [
        (6, "scalev", "s/c-1"),
        (13, "ktsp", "p/KT1"),
    ]
    given = {key: {name: cell.line for name, cell in source.values.items()} for key, source in imported.sources.items()}
    assert given == {
        ("scalev", "s"): {"storefront_key": 5, "base_url": 2},
        ("ktsp", "p"): {"base_url": 11, "app_key": 12},
    }


def test_spreadsheets_may_write_their_own_dialect() -> None:
    """Without it, a file saved by a spreadsheet would be refused for its byte order mark or its line ends."""
    imported = _read(
        '\ufeffname,account,source,"access_token"\r\n"c-1",s,scalev,"a,b"\r\n\r\n,,,\r\nc-2,s,scalev,b\r\n'
    )
    assert [(entry.line, entry.partition_key) for entry in imported.entries] == [(2, "s/c-1"), (5, "s/c-2")]


SCALEV = "access_token"
WRONG_CSVS: dict[str, tuple[str, str]] = {
    "empty": ("", "more.csv: the file is empty"),
    "nobody": (csv_of([]), "more.csv: there is no account in it"),
    "column missing": ("source,account\n", "more.csv:1: name: this column is missing"),
    "column unknown": (csv_of([], "acess_token"), "more.csv:1: column 4: unknown name; did you mean access_token?"),
    "column twice": (csv_of([], SCALEV, SCALEV), "more.csv:1: access_token: this column is there twice"),
    "semicolons": ("source;account;name\n", "names the columns, separated by commas"),
    "cells missing": (csv_of(["scalev,s,c-1"], SCALEV), "more.csv:2: 3 cells, but the header names 4 columns"),
    "too many cells": (csv_of(["ktsp,p,KT1,x"]), "more.csv:2: 4 cells, but the header names 3 columns"),
    "open quote": (csv_of(['scalev,s,"c-1,a'], SCALEV), "more.csv:2: not valid CSV"),
    "no source": (csv_of([",p,KT1"]), "more.csv:2: source: this cell is empty"),
    "other source": (csv_of(["shopify,p,KT1"]), "more.csv:2: source: write scalev or ktsp"),
    "no name": (csv_of(["ktsp,p,"]), "more.csv:2: name: this cell is empty"),
    "no token": (csv_of(["scalev,s,c-1,"], SCALEV), "more.csv:2: access_token: it is missing"),
    "bad name": (csv_of(["ktsp,p,KT 1"]), "more.csv:2: name: use 1 to 120 characters"),
    "not of this source": (
        csv_of(["ktsp,p,KT1,a"], SCALEV),
        "more.csv:2: access_token: not for accounts of ktsp; leave the cell empty",
    ),
    "variable not set": (
        csv_of(["scalev,s,c-1,env:NO_SUCH_TOKEN"], SCALEV),
        "more.csv:2: access_token: the environment variable NO_SUCH_TOKEN is not set",
    ),
    "secret file gone": (
        csv_of(["scalev,s,c-1,file:/no/where"], SCALEV),
        "more.csv:2: access_token: cannot read the secret file /no/where",
    ),
    "twice": (
        csv_of(["scalev,s,c-1,a", "ktsp,s,c-1,", "scalev,s,c-1,b"], SCALEV),
        "more.csv:4: the account s/c-1 is named twice (first on line 2)",
    ),
    "rows disagree": (
        csv_of(["ktsp,p,KT1,HKD", "ktsp,p,KT2,", "ktsp,p,KT3,USD"], "currency"),
        "more.csv:4: currency: not the same as on line 2, for the same programme p",
    ),
    "in the accounts file": (
        csv_of(["scalev,mine,c-1,a"], SCALEV),
        "more.csv:2: the account mine/c-1 is configured in accounts.toml as well",
    ),
}


@pytest.mark.parametrize("name", WRONG_CSVS)
def test_a_wrong_csv_says_line_and_column(name: str) -> None:
    """Without it, the one bad row of ten thousand would have to be searched for."""
    text, message = WRONG_CSVS[name]
    assert message in _error(text)


def test_every_bad_row_is_named_at_once() -> None:
    """Without it, a file would be mended one row per attempt; or a bad one fill the screen."""
    error = _error(csv_of([f"scalev,s,c-{number}," for number in range(100)], SCALEV))
    assert error.splitlines()[:2] == [
        "more.csv:2: access_token: it is missing",
        "more.csv:3: access_token: it is missing",
    ]
    assert error.splitlines()[-1] == "... and 80 more errors"


WRONG_TOMLS: dict[str, tuple[str, str]] = {
    "not TOML": ("[[[", "more.toml:1: not valid TOML"),
    "unknown key": ('[[scalev.stores]]\nstore_id = "s"\ncolour = 1\n', "more.toml:3: scalev.stores[1].colour: unknown"),
    "nobody": ("", "more.toml: there is no account in it"),
    "in the accounts file": (
        '[[scalev.stores]]\nstore_id = "mine"\n[[scalev.stores.customers]]\nname = "c-1"\naccess_token = "a"\n',
        "more.toml:3: the account mine/c-1 is configured in accounts.toml as well",
    ),
}


@pytest.mark.parametrize("name", WRONG_TOMLS)
def test_a_wrong_toml_says_line_and_key(name: str) -> None:
    """Without it, an import would be checked by other rules than the accounts file."""
    text, message = WRONG_TOMLS[name]
    assert message in _error(text, "more.toml")


@pytest.mark.parametrize(
    "text",
    [
        f"scalev,s,c-1,{CANARY}\n",
        csv_of([f"{CANARY},s,c-1,a"], SCALEV),
        csv_of([f"scalev,s,c-1,{CANARY}"], "token"),
        csv_of([f"ktsp,p,KT1,{CANARY},{CANARY}"], "token"),
        csv_of([f'scalev,s,c-1,"{CANARY}"x'], SCALEV),
        csv_of([f"scalev,s,c-1,{CANARY}", f"scalev,s,c-1,{CANARY}"], SCALEV),
        csv_of([f"ktsp,p,KT1,{CANARY}", "ktsp,p,KT2,other"], "app_key"),
        csv_of([f"scalev,mine,c-1,{CANARY}"], SCALEV),
    ],
)
def test_no_error_shows_a_token(text: str) -> None:
    """Without it, a file with mixed-up columns would print tokens into a terminal or a CI log."""
    assert CANARY not in _error(text)


def test_what_was_read_shows_no_token() -> None:
    """Without it, a log line of what was read would hold every token of the file."""
    imported = _read(csv_of([f"scalev,s,c-1,{CANARY},{CANARY}"], SCALEV, "storefront_key"))
    assert CANARY not in repr(imported)


@pytest.mark.parametrize("name", ["nowhere.csv", "folder.csv", "binary.csv", "more.xlsx", "no\0file.csv"])
def test_a_file_that_cannot_be_read_is_named(name: str) -> None:
    """Without it, a slip in the path would end in a traceback."""
    Path("folder.csv").mkdir()
    Path("binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"(folder|nowhere|binary|more|no.file)\."):
        import_file.read(Path(name), OWN)


def test_the_format_can_be_given() -> None:
    """Without it, a file without an ending could not be imported."""
    Path("accounts.txt").write_text(csv_of(["ktsp,p,KT1"]), encoding="utf-8")
    assert len(import_file.read(Path("accounts.txt"), OWN, "csv").entries) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("more.csv", csv_of(["scalev,s,c-1,env:A", "scalev,s,c-2,b"], SCALEV)),
        (
            "more.toml",
            '[[scalev.stores]]\nstore_id="s"\n[[scalev.stores.customers]]\nname = "c"\naccess_token = "a"\n',
        ),
    ],
)
def test_tokens_in_a_file_that_others_may_read_draw_a_warning(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, nobody would notice that every token lies open on a shared machine."""
    monkeypatch.setenv("A", "a")
    assert _read(text, name).warnings == ()
    Path(name).chmod(0o644)
    (warning,) = import_file.read(Path(name), OWN).warnings
    assert warning.endswith(f"access_token is written out in a file that others may read; run: chmod 600 {name}")


def test_settings_that_are_not_imported_are_named() -> None:
    """Without it, a limit in the imported file would be thought to hold."""
    text = (
        '[scalev]\npage_size = 25\nmax_in_flight = 3\n[[scalev.stores]]\nstore_id = "s"\n'
        '[policy]\nrecognition = "placed"\n'
    )
    assert _read(text, "more.toml").warnings == (
        "more.toml:3: scalev.max_in_flight is not imported; it belongs into the accounts file",
        "more.toml:7: policy.recognition is not imported; it belongs into the accounts file",
    )

"""Accounts files and imports for tests, and a look at what became of them in the database."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from order_assets import accounts_file
from order_assets import settings as configuration
from order_assets.crawl import import_file, importing
from order_assets.crawl.encryption import Vault
from order_assets.crawl.importing import ImportCounts
from order_assets.settings import Settings

KEY = SecretStr(base64.urlsafe_b64encode(b"k" * 32).decode())
OTHER_KEY = SecretStr(base64.urlsafe_b64encode(b"o" * 32).decode())
VAULT = Vault([KEY])


def settings_of(text: str = "", *, encryption: tuple[SecretStr, ...] = (KEY,)) -> Settings:
    """Return the settings of an installation with this accounts file."""
    return Settings(
        state=Path("state"),
        accounts_path=Path("accounts.toml"),
        accounts=accounts_file.parse_accounts(text, "accounts.toml"),
        keys=configuration.Keys(SecretStr("h"), encryption),
        database_url=None,
    )


def with_key(settings: Settings, *keys: SecretStr) -> Settings:
    """Return the same settings under other encryption keys."""
    return dataclasses.replace(settings, keys=configuration.Keys(SecretStr("h"), keys))


def import_text(engine: sa.Engine, settings: Settings, text: str, name: str = "more.csv") -> ImportCounts:
    """Import a file with this text, as the command does; relative to the current folder, which is the test's."""
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    imported = import_file.read(path, settings)
    with engine.begin() as connection:
        return importing.store(connection, settings, Vault(settings.keys.encryption), imported)


def csv_of(rows: Iterable[str], *columns: str) -> str:
    """Return a CSV with the key columns, these columns, and a row for each text."""
    return "\n".join([",".join(("source", "account", "name", *columns)), *rows]) + "\n"


def rows_of(engine: sa.Engine, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def do(engine: sa.Engine, statement: str, **values: Any) -> None:
    """Run a statement in a transaction of its own."""
    with engine.begin() as connection:
        connection.execute(sa.text(statement), values)

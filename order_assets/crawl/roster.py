"""Who is crawled with which credentials: the accounts file and the imported accounts, as one set of settings.

Imported accounts live in `ops.accounts`, `ops.sources` and `ops.credentials`. Here they become the same settings
that an accounts file has, so that nothing that crawls needs to know where an account came from.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.dialects.postgresql import ARRAY

from order_assets.accounts_file import (
    KINDS,
    AccountsFile,
    Kind,
    KtspMember,
    KtspProgramme,
    ScalevCustomer,
    ScalevStore,
)
from order_assets.crawl.encryption import Vault
from order_assets.settings import Account, Settings, SourceSystem
from order_assets.warehouse.ledger_schema import accounts, credentials, sources

_NAMED_IN_A_WARNING = 3


@dataclass(frozen=True, slots=True)
class Roster:
    """The settings to crawl accounts with.

    `sections`: the accounts file with only the wanted accounts of the source in it, imported ones included, and none
    of any other source. `left_out`: wanted accounts that cannot be crawled; `warnings` say why, and what to do.
    """

    sections: AccountsFile
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def effective(
    connection: sa.Connection,
    settings: Settings,
    vault: Vault,
    source_system: SourceSystem,
    keys: Collection[str] | None = None,
) -> Roster:
    """Return the settings for the accounts of one source with these partition keys (None: all of them).

    Retired accounts are never included. An account that the accounts file has is taken from there. Imported ones stand
    below the store or programme of their name in the accounts file, else below the imported one.

    Raises:
        DecryptionError: imported tokens were encrypted with a key that is not configured.
    """
    kind = KINDS[source_system]
    section = getattr(settings.accounts, source_system)
    known = _known(connection, source_system, keys)
    retired = {row.partition_key for row in known if row.state == "retired"}
    wanted = None if keys is None else frozenset(keys)
    in_file = {getattr(source, kind.source_name): source for source in getattr(section, kind.sources)}
    people: dict[str, list[ScalevCustomer | KtspMember]] = {name: [] for name in in_file}
    configured: set[str] = set()
    for name, source in in_file.items():
        for person in getattr(source, kind.people):
            key = f"{name}/{getattr(person, kind.person_name)}"
            configured.add(key)
            if key not in retired and (wanted is None or key in wanted):
                people[name].append(person)

    imported = [row for row in known if row.partition_key not in configured | retired]
    elsewhere = {row.source_account for row in imported} - in_file.keys()
    described = in_file | _imported_sources(connection, vault, source_system, elsewhere)
    warnings, left_out = _add_imported(people, imported, described, kind, vault)

    used = tuple(
        described[name].model_copy(update={kind.people: tuple(people[name])}) for name in people if people[name]
    )
    sections: dict[str, Any] = {
        system: getattr(settings.accounts, system).model_copy(update={KINDS[system].sources: ()}) for system in KINDS
    }
    sections[source_system] = section.model_copy(update={kind.sources: used})
    return Roster(settings.accounts.model_copy(update=sections), warnings, left_out)


def _add_imported(
    people: dict[str, list[ScalevCustomer | KtspMember]],
    imported: Iterable[sa.Row[Any]],
    described: Collection[str],
    kind: Kind,
    vault: Vault,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Add imported accounts to the people of their stores; return warnings, and who had to be left out."""
    homeless: dict[str, list[str]] = {}
    without_tokens: list[str] = []
    for row in imported:
        if row.source_account not in described:
            homeless.setdefault(row.source_account, []).append(row.partition_key)
            continue
        values = {kind.person_name: row.display_name, **open_secrets(vault, row.imported)}
        try:
            person = kind.person_model.model_validate(values)
        except ValidationError:
            without_tokens.append(row.partition_key)
        else:
            people.setdefault(row.source_account, []).append(person)
    warnings = [
        f"the {kind.word} {name} is neither in the accounts file nor imported, so {_listed(keys)} cannot be crawled;"
        f" import them again with their {kind.word}, or retire them"
        for name, keys in homeless.items()
    ]
    if without_tokens:
        warnings.append(f"the imported tokens of {_listed(without_tokens)} are gone; import them again")
    left_out = [key for keys in homeless.values() for key in keys] + without_tokens
    return tuple(warnings), tuple(left_out)


def every_account(connection: sa.Connection, settings: Settings) -> list[Account]:
    """Return the accounts of the accounts file and the imported ones, without those that are retired."""
    query = sa.select(accounts).order_by(accounts.c.source_system.desc(), accounts.c.account_number)
    known = connection.execute(query.where(sa.or_(accounts.c.origin == "import", accounts.c.state == "retired"))).all()
    retired = {(row.source_system, row.partition_key) for row in known if row.state == "retired"}
    configured = settings.roster()
    keys = {(account.source_system, account.partition_key) for account in configured}
    imported = [
        Account(row.source_system, row.source_account, row.display_name, row.time_zone, row.currency)
        for row in known
        if (row.source_system, row.partition_key) not in keys | retired
    ]
    return [
        account for account in configured if (account.source_system, account.partition_key) not in retired
    ] + imported


def open_secrets(vault: Vault, sealed: bytes | None) -> dict[str, str]:
    """Return the secrets of a row of `ops.sources` or `ops.credentials`; none if it has none.

    Raises:
        DecryptionError: they were encrypted with a key that is not configured.
    """
    return {} if sealed is None else dict(json.loads(vault.open(sealed)))


def source_values(vault: Vault, row: sa.Row[Any]) -> dict[str, Any]:
    """Return what a row of `ops.sources` says of a store or programme, by the keys of the accounts file.

    Raises:
        DecryptionError: its secrets were encrypted with a key that is not configured.
    """
    values = {"time_zone": row.time_zone, "currency": row.currency, **open_secrets(vault, row.secrets)}
    return values if row.base_url is None else values | {"base_url": row.base_url}


def is_one_of(column: sa.ColumnElement[str], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of many texts, as one parameter."""
    return column == sa.any_(sa.bindparam(None, list(values), type_=ARRAY(sa.Text)))


def _known(connection: sa.Connection, source_system: str, keys: Collection[str] | None) -> list[sa.Row[Any]]:
    """Return the imported accounts with their sealed tokens, and the retired ones, in the order of the roster."""
    query = (
        sa.select(
            accounts.c.partition_key,
            accounts.c.source_account,
            accounts.c.display_name,
            accounts.c.origin,
            accounts.c.state,
            credentials.c.imported,
        )
        .outerjoin(
            credentials,
            sa.and_(
                credentials.c.source_system == accounts.c.source_system,
                credentials.c.partition_key == accounts.c.partition_key,
            ),
        )
        .where(
            accounts.c.source_system == source_system,
            sa.or_(accounts.c.origin == "import", accounts.c.state == "retired"),
        )
        .order_by(accounts.c.account_number)
    )
    if keys is not None:
        query = query.where(is_one_of(accounts.c.partition_key, keys))
    return list(connection.execute(query))


def _imported_sources(
    connection: sa.Connection, vault: Vault, source_system: SourceSystem, names: Collection[str]
) -> dict[str, ScalevStore | KtspProgramme]:
    if not names:
        return {}
    kind = KINDS[source_system]
    query = sa.select(sources).where(
        sources.c.source_system == source_system, is_one_of(sources.c.source_account, names)
    )
    return {
        row.source_account: kind.source_model.model_validate(
            {kind.source_name: row.source_account, **source_values(vault, row)}
        )
        for row in connection.execute(query)
    }


def _listed(keys: Collection[str]) -> str:
    shown = ", ".join(list(keys)[:_NAMED_IN_A_WARNING])
    more = len(keys) - _NAMED_IN_A_WARNING
    return f"{shown} and {more} more" if more > 0 else shown

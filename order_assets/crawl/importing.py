"""Accounts from a file into `ops`: `order-assets accounts import`. All of it is checked before anything is written.

Tokens are stored encrypted. A credential is known by the fingerprint of its tokens, so a second import of the same
file finds the tokens that were renewed since and keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr, ValidationError
from sqlalchemy.dialects.postgresql import insert

from order_assets.accounts_file import KINDS, Kind, KtspProgramme, ScalevSection, ScalevStore
from order_assets.crawl.accounts import relocate
from order_assets.crawl.credentials import fingerprint
from order_assets.crawl.encryption import DecryptionError, Vault
from order_assets.crawl.import_file import Entry, Given, ImportFile, SourceKey, explain, raise_any
from order_assets.crawl.roster import is_one_of, open_secrets, source_values
from order_assets.settings import Settings, SourceSystem
from order_assets.warehouse.ledger_schema import accounts, credentials, sources

_LOCK = "order_assets import"


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """How many accounts an import added, changed and left as they were; how many stores or programmes it wrote."""

    added: int
    changed: int
    unchanged: int
    sources: int


def store(connection: sa.Connection, settings: Settings, vault: Vault, imported: ImportFile) -> ImportCounts:
    """Write the accounts of a file that was read; the caller's transaction makes it all or nothing.

    The same tokens as before keep those that were renewed since; other tokens replace them and make the account
    active. An account that was retired comes back.

    Raises:
        SettingsError: a store or programme is not known and not described well enough, or not as the accounts file
            has it. Nothing has been written then.
        DecryptionError: what was imported for it before was encrypted with a key that is not configured.
    """
    # Two imports at once would wait for each other's rows in turn.
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(_LOCK, 0))))
    described, fresh = _resolve_sources(connection, settings, vault, imported)
    added = changed = 0
    for system in KINDS:
        entries = [entry for entry in imported.entries if entry.source_system == system]
        more_added, more_changed = _store_accounts(connection, vault, system, entries, described)
        added, changed = added + more_added, changed + more_changed
    unchanged = len(imported.entries) - added - changed
    if fresh:
        upsert = insert(sources)
        settable = ("time_zone", "currency", "base_url", "secrets")
        keys = ["source_system", "source_account"]
        values = {name: upsert.excluded[name] for name in settable}
        connection.execute(upsert.on_conflict_do_update(index_elements=keys, set_=values), fresh)
    # A new time zone or currency holds for the accounts of an earlier import as well.
    for row in fresh:
        changed += relocate(connection, row["source_system"], row["source_account"], row["time_zone"], row["currency"])
    return ImportCounts(added, changed, unchanged, sources=len(fresh))


# Stores and programmes


def _resolve_sources(
    connection: sa.Connection, settings: Settings, vault: Vault, imported: ImportFile
) -> tuple[dict[SourceKey, ScalevStore | KtspProgramme], list[dict[str, Any]]]:
    """Return every store and programme as it will be, and the rows of `ops.sources` that have to be written."""
    in_file: dict[SourceKey, ScalevStore | KtspProgramme] = {
        **{("scalev", store.store_id): store for store in settings.accounts.scalev.stores},
        **{("ktsp", programme.name): programme for programme in settings.accounts.ktsp.programmes},
    }
    query = sa.select(sources).where(is_one_of(sources.c.source_account, {account for _, account in imported.sources}))
    stored = {(row.source_system, row.source_account): row for row in connection.execute(query)}
    described: dict[SourceKey, ScalevStore | KtspProgramme] = {}
    fresh: list[dict[str, Any]] = []
    errors: list[str] = []
    for key, source in imported.sources.items():
        system, account = key
        kind, given = KINDS[system], dict(source.values)
        if system == "scalev":
            errors += _other_api(imported.place, given.pop("base_url", None), settings.accounts.scalev)
        known = in_file.get(key)
        before = source_values(vault, stored[key]) if known is None and key in stored else {}
        base = {kind.source_name: account, **before} if known is None else dict(known)
        try:
            described[key] = kind.source_model.model_validate(base | {name: cell.value for name, cell in given.items()})
        except ValidationError as error:
            for problem in error.errors():
                line = given.get(str(problem["loc"][0]), Given(source.line, None)).line
                errors.append(f"{imported.place}:{line}: {kind.word} {account}: {explain(problem, kind)}")
            continue
        if known is not None:
            errors += [
                f"{imported.place}:{cell.line}: {kind.word} {account}: {name}: {settings.accounts_path} has another;"
                " change it there"
                for name, cell in given.items()
                if getattr(described[key], name) != getattr(known, name)
            ]
        elif _plain_values(kind, described[key]) != before:
            fresh.append(_source_row(key, described[key], vault))
    raise_any(errors)
    return described, fresh


def _other_api(place: str, given: Given | None, section: ScalevSection) -> Iterator[str]:
    """Yield an error if a store's API is not the one of the accounts file: all stores share one address."""
    if given is None:
        return
    try:
        wanted = ScalevSection.model_validate({"base_url": given.value}).base_url
    except ValidationError as error:
        yield from (f"{place}:{given.line}: {explain(problem, KINDS['scalev'])}" for problem in error.errors())
        return
    if wanted != section.base_url:
        yield (
            f"{place}:{given.line}: base_url: every Scalev store is asked at {section.base_url}, the base_url below"
            " [scalev] in the accounts file; another one is not supported"
        )


def _plain_values(kind: Kind, source: ScalevStore | KtspProgramme) -> dict[str, Any]:
    """Return what `ops.sources` keeps of a store or programme, secrets in clear, absent ones left out."""
    values = {
        name: value for name, value in source if name not in {kind.source_name, kind.people} and value is not None
    }
    return {name: _clear(value) for name, value in values.items()}


def _source_row(key: SourceKey, source: ScalevStore | KtspProgramme, vault: Vault) -> dict[str, Any]:
    values = _plain_values(KINDS[key[0]], source)
    secrets = {name: value for name, value in values.items() if name in KINDS[key[0]].source_secrets}
    return {
        "source_system": key[0],
        "source_account": key[1],
        "time_zone": source.time_zone,
        "currency": source.currency,
        "base_url": values.get("base_url"),
        "secrets": vault.seal(json.dumps(secrets)) if secrets else None,
    }


# Accounts and their tokens


def _store_accounts(
    connection: sa.Connection,
    vault: Vault,
    system: SourceSystem,
    entries: Sequence[Entry],
    described: Mapping[SourceKey, ScalevStore | KtspProgramme],
) -> tuple[int, int]:
    """Write the accounts of one source that are new or differ; return how many were new and how many differed."""
    before = _before(connection, system, entries)
    rows: list[dict[str, Any]] = []
    tokens: list[dict[str, Any]] = []
    tokenless: list[str] = []
    for entry in entries:
        known = before.get(entry.partition_key)
        row = _account_row(entry, described[system, entry.source_account])
        secrets = {name: _clear(getattr(entry.person, name)) for name in KINDS[system].person_secrets}
        secrets = {name: value for name, value in secrets.items() if value is not None}
        has_new_tokens = known is not None and known.configured_sha256 != fingerprint(entry.person)
        if known is not None and not has_new_tokens and known.state != "retired":
            row["state"] = known.state
        differs = known is None or any(getattr(known, name) != row[name] for name in _KEPT)
        if secrets and (has_new_tokens or known is None or not _holds(vault, known.imported, secrets)):
            tokens.append(_credential_row(entry, secrets, vault))
        elif not secrets and has_new_tokens:
            tokenless.append(entry.partition_key)
        elif not differs:
            continue
        rows.append(row)
    _write(connection, system, rows, tokens, tokenless)
    added = sum(row["partition_key"] not in before for row in rows)
    return added, len(rows) - added


_KEPT = ("source_account", "display_name", "time_zone", "currency", "state", "origin")


def _before(connection: sa.Connection, system: str, entries: Sequence[Entry]) -> dict[str, sa.Row[Any]]:
    mine = sa.and_(
        credentials.c.source_system == accounts.c.source_system,
        credentials.c.partition_key == accounts.c.partition_key,
    )
    query: sa.Select[Any] = (
        sa.select(
            accounts.c.partition_key,
            *(accounts.c[name] for name in _KEPT),
            credentials.c.configured_sha256,
            credentials.c.imported,
        )
        .outerjoin(credentials, mine)
        .where(
            accounts.c.source_system == system,
            is_one_of(accounts.c.partition_key, [entry.partition_key for entry in entries]),
        )
    )
    return {row.partition_key: row for row in connection.execute(query)}


def _write(
    connection: sa.Connection,
    system: str,
    rows: Sequence[dict[str, Any]],
    tokens: Sequence[dict[str, Any]],
    tokenless: Sequence[str],
) -> None:
    keys = ["source_system", "partition_key"]
    if rows:
        upsert = insert(accounts)
        values: dict[str, Any] = {name: upsert.excluded[name] for name in _KEPT}
        values |= {"retired_at": None, "retired_by": None}
        connection.execute(upsert.on_conflict_do_update(index_elements=keys, set_=values), rows)
    if tokens:
        upsert = insert(credentials)
        values = {name: upsert.excluded[name] for name in ("configured_sha256", "imported")}
        is_same = credentials.c.configured_sha256 == upsert.excluded.configured_sha256
        renewed = ("access_token", "refresh_token", "access_expires_at", "renewed_at", "refresh_sent_at")
        values |= {name: sa.case((is_same, credentials.c[name]), else_=sa.null()) for name in renewed}
        connection.execute(upsert.on_conflict_do_update(index_elements=keys, set_=values), tokens)
    if tokenless:
        connection.execute(
            sa.delete(credentials).where(
                credentials.c.source_system == system, is_one_of(credentials.c.partition_key, tokenless)
            )
        )


def _account_row(entry: Entry, source: ScalevStore | KtspProgramme) -> dict[str, Any]:
    return {
        "source_system": entry.source_system,
        "partition_key": entry.partition_key,
        "source_account": entry.source_account,
        "display_name": entry.name,
        "time_zone": source.time_zone,
        "currency": source.currency,
        "state": "active",
        "origin": "import",
        "added_at": datetime.now(UTC),
    }


def _credential_row(entry: Entry, secrets: Mapping[str, str], vault: Vault) -> dict[str, Any]:
    return {
        "source_system": entry.source_system,
        "partition_key": entry.partition_key,
        "configured_sha256": fingerprint(entry.person),
        "imported": vault.seal(json.dumps(secrets)),
    }


def _holds(vault: Vault, sealed: bytes | None, secrets: Mapping[str, str]) -> bool:
    """Whether these very secrets are stored; the fingerprint alone does not cover each of them."""
    try:
        return open_secrets(vault, sealed) == secrets
    except DecryptionError:
        return False  # encrypted with a key that is gone: importing again is the cure


def _clear(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value

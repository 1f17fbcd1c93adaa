"""The file of `order-assets accounts import`, an accounts file or a CSV, read and checked as far as it goes by itself.

The rules for names and values are those of `settings`. Every error names the file, the line and the key or column;
none shows a secret. What the import means for the database is in `importing`.
"""

from __future__ import annotations

import csv
import difflib
import io
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from order_assets.accounts_file import (
    KINDS,
    Kind,
    KtspMember,
    ScalevCustomer,
    SettingsError,
    exposed_literals,
    key_lines,
    line_of,
    parse_accounts,
)
from order_assets.settings import Settings, SourceSystem

Format = Literal["toml", "csv"]
SourceKey = tuple[SourceSystem, str]

MOST_ERRORS = 20
_KEY_COLUMNS = ("source", "account", "name")
_SOURCE_COLUMNS: Mapping[SourceSystem, tuple[str, ...]] = {
    "scalev": ("time_zone", "currency", "base_url", "storefront_key"),
    "ktsp": ("time_zone", "currency", "base_url", "app_key", "app_secret"),
}
COLUMNS = (
    *_KEY_COLUMNS, "access_token", "refresh_token", "token", "time_zone", "currency", "base_url", "storefront_key",
    "app_key", "app_secret",
)  # fmt: skip
_SECRETS = {"access_token", "refresh_token", "token", "storefront_key", "app_key", "app_secret"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One account of an import, and the line it stands on."""

    line: int
    source_system: SourceSystem
    source_account: str
    name: str
    person: ScalevCustomer | KtspMember

    @property
    def partition_key(self) -> str:
        """The account's partition key."""
        return f"{self.source_account}/{self.name}"


@dataclass(frozen=True, slots=True)
class Given:
    """A value that the file gives for a store or programme, and the line it stands on."""

    line: int
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class GivenSource:
    """A store or programme of the file, with the values given for it; without any, it has to be known already."""

    line: int
    values: dict[str, Given] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file that is right in itself. `place` names it in errors."""

    place: str
    entries: tuple[Entry, ...]
    sources: Mapping[SourceKey, GivenSource]
    warnings: tuple[str, ...] = ()


def read(path: Path, settings: Settings, file_format: Format | None = None) -> ImportFile:
    """Read and check a file; the format is told from the name's ending unless it is given.

    Raises:
        SettingsError: the file cannot be read, anything in it is wrong, or it names an account that the accounts file
            configures as well.
    """
    chosen = file_format or path.suffix.lower().removeprefix(".")
    if chosen not in {"toml", "csv"}:
        raise SettingsError(f"{path}: the name ends with neither .toml nor .csv; add --format toml or --format csv")
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: it is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "no such path"
        raise SettingsError(f"{path}: cannot read the file: {why}") from None
    imported = _read_csv(path, text) if chosen == "csv" else _read_toml(path, text, settings)
    if not imported.sources:
        raise SettingsError(f"{path}: there is no account in it")
    configured = {(account.source_system, account.partition_key) for account in settings.roster()}
    raise_any(
        f"{path}:{entry.line}: the account {entry.partition_key} is configured in {settings.accounts_path} as well;"
        " take it out of one of the two files"
        for entry in imported.entries
        if (entry.source_system, entry.partition_key) in configured
    )
    return imported


def raise_any(errors: Iterator[str] | Sequence[str]) -> None:
    """Stop at errors, if there are any.

    Raises:
        SettingsError: with the first of them, one a line.
    """
    found = list(errors)
    if found:
        more = [f"... and {len(found) - MOST_ERRORS} more errors"] if len(found) > MOST_ERRORS else []
        raise SettingsError("\n".join([*found[:MOST_ERRORS], *more]))


def explain(problem: Any, kind: Kind) -> str:
    """Return what pydantic says is wrong with a value, by the name of its column and without the value itself."""
    name = str(problem["loc"][0])
    column = {kind.source_name: "account", kind.person_name: "name"}.get(name, name)
    if problem["type"] == "missing":
        return f"{column}: it is missing"
    # In a file whose columns are mixed up, any cell may be a token.
    return f"{column}: {str(problem['msg']).removeprefix('Value error, ').replace(repr(problem['input']), 'it')}"


# TOML


def _read_toml(path: Path, text: str, settings: Settings) -> ImportFile:
    parsed = parse_accounts(text, str(path))
    lines = key_lines(text)
    entries: list[Entry] = []
    sources: dict[SourceKey, GivenSource] = {}
    for system, kind in KINDS.items():
        section = getattr(parsed, system)
        for i, source in enumerate(getattr(section, kind.sources)):
            place: tuple[str | int, ...] = (system, kind.sources, i)
            account = getattr(source, kind.source_name)
            given = {
                name: Given(line_of((*place, name), lines), getattr(source, name))
                for name in sorted(source.model_fields_set - {kind.source_name, kind.people})
            }
            if system == "scalev" and "base_url" in section.model_fields_set:
                given["base_url"] = Given(line_of((system, "base_url"), lines), section.base_url)
            sources[system, account] = GivenSource(line_of(place, lines), given)
            for j, person in enumerate(getattr(source, kind.people)):
                line = line_of((*place, kind.people, j), lines)
                entries.append(Entry(line, system, account, getattr(person, kind.person_name), person))
    warnings = exposed_literals(path, text)
    for name in ("scalev", "ktsp", "crawl", "policy"):
        section, own = getattr(parsed, name), getattr(settings.accounts, name)
        for key in sorted(section.model_fields_set - {"stores", "programmes", "base_url"}):
            if getattr(section, key) != getattr(own, key):
                line = line_of((name, key), lines)
                warnings.append(f"{path}:{line}: {name}.{key} is not imported; it belongs into the accounts file")
    return ImportFile(str(path), tuple(entries), sources, tuple(warnings))


# CSV


def _read_csv(path: Path, text: str) -> ImportFile:
    rows = _rows(path, text)
    header = next(rows, None)
    if header is None:
        raise SettingsError(f"{path}: the file is empty; its first line names the columns: {', '.join(COLUMNS)}")
    columns = _columns(path, *header)
    draft = _Draft()
    for line, cells in rows:
        if len(cells) == len(columns):
            named = zip(columns, cells, strict=True)
            problems = draft.take(line, {column: cell.strip() for column, cell in named if cell.strip()})
        else:
            problems = [f"{len(cells)} cells, but the header names {len(columns)} columns"]
        draft.errors += [f"{path}:{line}: {problem}" for problem in problems]
    raise_any(draft.errors)
    warnings = []
    if draft.written_out and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        line, column = draft.written_out
        warnings = [f"{path}:{line}: {column} is written out in a file that others may read; run: chmod 600 {path}"]
    return ImportFile(str(path), tuple(draft.entries), draft.sources, tuple(warnings))


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise SettingsError(f"{path}:{line}: not valid CSV: {error}") from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _columns(path: Path, line: int, cells: Sequence[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    errors = []
    for number, name in enumerate(columns, start=1):
        if name not in COLUMNS:  # not shown: where the first line was forgotten, it may be a token
            near = difflib.get_close_matches(name.lower(), COLUMNS, n=1)
            errors.append(f"column {number}: unknown name" + (f"; did you mean {near[0]}?" if near else ""))
    errors += [f"{name}: this column is missing" for name in _KEY_COLUMNS if name not in columns]
    errors += [f"{name}: this column is there twice" for name in COLUMNS if columns.count(name) > 1]
    if errors:
        known = f"The first line names the columns, separated by commas: {', '.join(COLUMNS)}"
        raise SettingsError("\n".join([*(f"{path}:{line}: {error}" for error in errors[:MOST_ERRORS]), known]))
    return columns


@dataclass(slots=True)
class _Draft:
    """What the rows of a CSV said so far."""

    entries: list[Entry] = field(default_factory=list)
    sources: dict[SourceKey, GivenSource] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    written_out: tuple[int, str] | None = None
    _lines: dict[tuple[SourceSystem, str], int] = field(default_factory=dict)

    def take(self, line: int, row: Mapping[str, str]) -> list[str]:
        """Take in a row, empty cells left out; return what is wrong with it."""
        problems = list(_misplaced(row))
        if problems:
            return problems
        system: SourceSystem = "scalev" if row["source"] == "scalev" else "ktsp"
        kind = KINDS[system]
        plain = [name for name in row if name in _SECRETS and isinstance(_value(name, row[name]), str)]
        self.written_out = self.written_out or ((line, plain[0]) if plain else None)
        problems = self._take_source(line, system, row)
        secrets = {name: _value(name, row[name]) for name in kind.person_secrets if name in row}
        try:
            person = kind.person_model.model_validate({kind.person_name: row["name"], **secrets})
        except ValidationError as error:
            return problems + [explain(problem, kind) for problem in error.errors()]
        entry = Entry(line, system, row["account"], row["name"], person)
        first = self._lines.setdefault((system, entry.partition_key), line)
        if first != line:
            problems.append(f"the account {entry.partition_key} is named twice (first on line {first})")
        self.entries.append(entry)
        return problems

    def _take_source(self, line: int, system: SourceSystem, row: Mapping[str, str]) -> list[str]:
        """Gather what rows say of their store or programme; those that say something have to agree."""
        word, account = KINDS[system].word, row["account"]
        known = self.sources.setdefault((system, account), GivenSource(line)).values
        problems = []
        for name in (column for column in _SOURCE_COLUMNS[system] if column in row):
            value = _value(name, row[name])
            first = known.setdefault(name, Given(line, value))
            if first.value != value:
                problems.append(f"{name}: not the same as on line {first.line}, for the same {word} {account}")
        return problems


def _misplaced(row: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with a row, before the values in its cells are looked at."""
    yield from (f"{name}: this cell is empty" for name in _KEY_COLUMNS if name not in row)
    system = row.get("source")
    if system is None:
        return
    if system not in {"scalev", "ktsp"}:
        yield "source: write scalev or ktsp"
        return
    kind = KINDS["scalev" if system == "scalev" else "ktsp"]
    own = {*_KEY_COLUMNS, *kind.person_secrets, *_SOURCE_COLUMNS["scalev" if system == "scalev" else "ktsp"]}
    yield from (f"{name}: not for accounts of {system}; leave the cell empty" for name in row if name not in own)


def _value(column: str, cell: str) -> str | dict[str, str]:
    """Return what a cell means to `settings`: a secret may be written as `env:NAME` or `file:PATH`."""
    place, colon, rest = cell.partition(":")
    return {place: rest} if column in _SECRETS and colon and place in {"env", "file"} else cell

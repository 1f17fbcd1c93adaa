"""The text of a new accounts file, for `order-assets init`: accounts.example.toml with the answers filled in.

So what the example says of each key is in every new file too, and is written once. What the answers may be is said by
`accounts_file`; how they are asked for is in `cli_init`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from order_assets.accounts_file import SettingsError, parse_accounts

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "example" / "accounts.example.toml"
_EXAMPLE = _INSTALLED if _INSTALLED.exists() else _PACKAGE.parent / "accounts.example.toml"
_HEADER = "# Made by order-assets init. Lines that are commented out show the default.\n"
_LINE = re.compile(r"(?P<off>#?)(?P<key>[a-z_]+) = (?P<value>[^#]*?)(?P<comment>\s+#.*)?")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file: its header as in the example, and the values of its keys, each a text or a secret."""

    header: str
    values: Mapping[str, str] = field(repr=False)  # secrets are among them


def secret(text: str) -> str:
    """Return the TOML of a secret: `env:NAME` and `file:PATH` refer to it, anything else is it."""
    kind, _, rest = text.partition(":")
    return f"{{ {kind} = {quoted(rest)} }}" if kind in {"env", "file"} and rest else quoted(text)


def quoted(text: str) -> str:
    """Return a text as a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def render(tables: list[Table]) -> str:
    """Return the text of the accounts file with these tables, in the order given, and every other one as a comment.

    Raises:
        SettingsError: the file would not be accepted; the message names the line.
    """
    blocks = dict(_blocks())
    filled = ["\n".join(_filled(blocks.get(table.header, [table.header]), table)) for table in tables]
    used = {table.header for table in tables}
    sources = {"scalev": "[[scalev.", "ktsp": "[[ktsp."}
    others = [
        "\n".join(lines)
        for header, lines in blocks.items()
        if header not in used and not header.startswith(tuple(sources.values())) and header.strip("[]") not in sources
    ]
    text = _HEADER + "\n" + "\n\n".join([*filled, *others]) + "\n"
    parse_accounts(text, "the accounts file to be written")
    return text


def write(path: Path, text: str) -> None:
    """Write a new file that only its owner can read.

    Raises:
        SettingsError: there is one already, or it cannot be written.
    """
    mine = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(mine, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.link(mine, path)  # never over another file
    except FileExistsError:
        raise SettingsError(f"{path}: there is an accounts file already; edit it, or choose another: --out") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot write: {error.strerror}") from None
    finally:
        mine.unlink(missing_ok=True)


def _blocks() -> Iterator[tuple[str, list[str]]]:
    """Yield each table of the example: its header and its lines, comments above a table included."""
    for block in _EXAMPLE.read_text(encoding="utf-8").split("\n\n"):
        lines = block.strip("\n").splitlines()
        header = next((match[1] for line in lines if (match := re.match(r"#?(\[\[?[a-z.]+\]\]?)$", line))), None)
        if header is not None:
            yield header, lines


def _filled(lines: list[str], table: Table) -> Iterator[str]:
    left = dict(table.values)
    for line in lines:
        match = _LINE.fullmatch(line)
        if match and match["key"] in left:
            yield f"{match['key']} = {left.pop(match['key'])}{match['comment'] or ''}"
        elif match is None or match["off"]:
            yield line
    for key, value in left.items():
        yield f"{key} = {value}"

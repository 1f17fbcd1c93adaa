"""Counting what the vendors' documents do not mention: fields with undocumented names, values outside a closed list.

A vendor adds fields and statuses without notice. Facts are derived all the same; the counts say that something new
has arrived. Names and values of closed lists are recorded, never the value of an unknown field: it may be personal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

import msgspec

from order_assets.domain.documented import Documented
from order_assets.domain.pages import SourceSystem, repaired
from order_assets.domain.readers import READERS

LONGEST_PATH = 100
LONGEST_VALUE = 60
_SEARCHED = 3  # times the longest: what is cut off needs no search, which takes time in the square of the length
_ENVELOPE = "$."
# A field may be named after a person, as in {"budi@example.com": 1}, and a status may hold a telephone number.
_PERSONAL = re.compile(r"[^\s@.]+(\.[^\s@.]+)*@[^\s@]+|\+?[0-9][0-9 -]{6,}")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def count(source_system: SourceSystem, content: bytes) -> Counter[tuple[str, str]]:
    """Return how often a page has each undocumented field, and each unknown value of a field with a closed list.

    Keys are (path, value): `("store.region", "")` for a field, which has no value here, and `("status", "on_hold")`
    for a value. A path starts at the order (`orderlines[].tax_hint`), that of the envelope's own fields with `$.`.
    Case and surrounding blanks do not make a value unknown, nor do null and blank.
    """
    found: Counter[tuple[str, str]] = Counter()
    page = _shape(READERS[source_system].documented)
    if not _is_as_documented(page.decoder, content):
        _count(repaired(content), page, _ENVELOPE, found)
    return found


def count_all(source_system: SourceSystem, contents: Iterable[bytes]) -> Counter[tuple[str, str]]:
    """Return the counts over several pages."""
    total: Counter[tuple[str, str]] = Counter()
    for content in contents:
        total.update(count(source_system, content))
    return total


@dataclass(frozen=True, slots=True)
class _Part:
    """A field that holds an object of a documented shape, or a list of them."""

    decoder: msgspec.json.Decoder[Any]
    documented: type[Documented]
    is_list: bool


@dataclass(frozen=True, slots=True)
class _Shape:
    """A documented object, by the names of its fields as sent."""

    decoder: msgspec.json.Decoder[Any]
    names: frozenset[str]
    known_values: Mapping[str, frozenset[str]]
    parts: Mapping[str, _Part]


@cache
def _shape(documented: type[Documented]) -> _Shape:
    known_values, parts = {}, {}
    fields = msgspec.structs.fields(documented)
    for field in fields:
        for kind in get_args(field.type):  # of `X | None`
            if get_origin(kind) is Literal:
                known_values[field.encode_name] = frozenset(get_args(kind))
            elif get_origin(kind) is list:
                parts[field.encode_name] = _Part(msgspec.json.Decoder(field.type), get_args(kind)[0], is_list=True)
            elif isinstance(kind, type) and issubclass(kind, Documented):
                parts[field.encode_name] = _Part(msgspec.json.Decoder(field.type), kind, is_list=False)
    names = frozenset(field.encode_name for field in fields)
    return _Shape(msgspec.json.Decoder(documented), names, known_values, parts)


def _is_as_documented(decoder: msgspec.json.Decoder[Any], content: bytes | msgspec.Raw) -> bool:
    try:
        decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _count(content: bytes | msgspec.Raw, shape: _Shape, path: str, found: Counter[tuple[str, str]]) -> None:
    """Add what is new in an object: its own fields, and those of its parts that are not as documented."""
    sent = _decoded(_OBJECT, content, {})
    for name in sent.keys() - shape.names:
        found[_printable(path + name, LONGEST_PATH), ""] += 1
    for name, known in shape.known_values.items():
        value = _text(sent[name]) if name in sent else ""
        if value and value not in known and value.lower() not in known:
            found[path + name, _printable(value, LONGEST_VALUE)] += 1
    for name, part in shape.parts.items():
        if name not in sent or _is_as_documented(part.decoder, sent[name]):
            continue
        if part.is_list:
            inside = "" if path == _ENVELOPE else f"{path}{name}[]."
            for entry in _decoded(_LIST, sent[name], []):
                _count(entry, _shape(part.documented), inside, found)
        else:
            _count(sent[name], _shape(part.documented), f"{path}{name}.", found)


def _decoded(decoder: msgspec.json.Decoder[Any], content: bytes | msgspec.Raw, otherwise: Any) -> Any:
    """Read one level; what is of another kind has no fields."""
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return otherwise


def _text(raw: msgspec.Raw) -> str:
    """Return a value as text, blank for null; of an object or a list nothing but that it is one."""
    sent = bytes(raw).decode()
    if sent.startswith('"'):
        return (str(msgspec.json.decode(sent)) if "\\" in sent else sent[1:-1]).strip()
    return {"n": "", "{": "(object)", "[": "(list)"}.get(sent[0], sent)


def _printable(text: str, longest: int) -> str:
    text = _PERSONAL.sub("(hidden)", text[: _SEARCHED * longest])[:longest]
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)

"""Reading a struct field by field, so that one odd value is null and costs neither its order nor its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)
P = ParamSpec("P")
T = TypeVar("T")


def refuses_deep_nesting(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function that reads pages raise `msgspec.DecodeError` where one is nested deeper than Python can go."""

    @wraps(function)
    def careful(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except RecursionError:
            raise msgspec.DecodeError("the page is nested deeper than any page of orders") from None

    return careful


@cache
def _fields(struct: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    return tuple((field.name, field.encode_name, field.type) for field in msgspec.structs.fields(struct))


def read(raw: Mapping[str, msgspec.Raw], struct: type[S], entries: Mapping[str, type[msgspec.Struct]]) -> S:
    """Return the struct with the fields that have a usable shape; the others keep their defaults.

    `entries` names list fields that are read entry by entry, with the struct of an entry.
    """
    values: dict[str, Any] = {}
    for name, sent_as, kind in _fields(struct):
        if sent_as in raw:
            try:
                values[name] = msgspec.json.decode(raw[sent_as], type=kind)
            except (msgspec.DecodeError, RecursionError):
                if name in entries:
                    values[name] = _read_entries(raw[sent_as], entries[name])
    return struct(**values)


def _read_entries(raw: msgspec.Raw, entry: type[S]) -> list[S] | None:
    """Read a list; an entry that is no object becomes an empty one, so that the others still count."""
    try:
        sent = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    result = []
    for item in sent:
        try:
            result.append(read(msgspec.json.decode(item, type=dict[str, msgspec.Raw]), entry, {}))
        except (msgspec.DecodeError, RecursionError):
            result.append(entry())
    return result

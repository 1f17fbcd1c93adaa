"""Arrow types used in every frame, and readers that turn JSON values of uncertain type into one typed column.

What a value means belongs to the modules of the sources; exact money is in `money`, instants are in `clock`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pd.ArrowDtype(pa.string())
BOOL = pd.ArrowDtype(pa.bool_())
INT = pd.ArrowDtype(pa.int64())
DATE = pd.ArrowDtype(pa.date32())
INSTANT = pd.ArrowDtype(pa.timestamp("us", "UTC"))  # aware UTC, microseconds, as PostgreSQL keeps it
MONEY = pd.ArrowDtype(pa.decimal128(20, 4))  # like numeric(20,4)

pa.set_memory_pool(pa.system_memory_pool())  # the others keep what large frames held; this one is as fast here

LONGEST_KEY = 200  # characters; an index of PostgreSQL holds 2,700 bytes, in all of its columns
INT4_MAX = 2**31 - 1
INT8_MAX = 2**63 - 1


def text(values: Iterable[Any]) -> pd.Series:
    """Return a text column; numbers become their digits, other JSON values (objects, lists, booleans) null.

    NUL characters are replaced, since PostgreSQL cannot hold them.
    """
    items = values if isinstance(values, Sequence) else list(values)
    try:
        array = pa.array(items, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        array = pa.array([_as_text(value) for value in items], pa.string())
    return series(pc.replace_substring(array, "\0", "\N{REPLACEMENT CHARACTER}"))


def label(values: Iterable[Any]) -> pd.Series:
    """Return a text column, trimmed; blank counts as null."""
    trimmed = pc.utf8_trim_whitespace(arrow(text(values)))
    return series(pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed))


def one_label(value: Any) -> str | None:
    """Return a single value as `label` has it."""
    sent = _as_text(value)
    return sent.replace("\0", "\N{REPLACEMENT CHARACTER}").strip() or None if sent else None


def lowered(values: Iterable[Any]) -> pd.Series:
    """Return a label column in lower case, as statuses are compared; fit for an index, as `indexable` has it."""
    return indexable(series(pc.utf8_lower(arrow(label(values)))))


def indexable(column: pd.Series) -> pd.Series:
    """Return texts as parts of keys: one that no index could hold keeps its beginning, and its hash tells it apart."""
    texts = arrow(column)
    if not pc.any(pc.greater(pc.utf8_length(texts), LONGEST_KEY)).as_py():
        return column
    return series(
        pa.array([None if value is None else one_indexable(value) for value in texts.to_pylist()], pa.string())
    )


def one_indexable(value: str) -> str:
    """Return a single text as `indexable` has it."""
    if len(value) <= LONGEST_KEY:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()
    return f"{value[: LONGEST_KEY - len(digest) - 1]}\N{HORIZONTAL ELLIPSIS}{digest}"


def integer(values: Iterable[Any], limit: int = INT4_MAX) -> pd.Series:
    """Return an integer column; whole numbers sent as text are read, and what is beyond the limit is null.

    The limit is that of PostgreSQL's int, or `INT8_MAX` for its bigint.
    """
    items = values if isinstance(values, Sequence) else list(values)
    try:
        array = pa.array(items)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # of several types
        array = pa.nulls(0, pa.string())
    if array.type != pa.int64():  # given a type, Arrow would cut fractions off
        return series(pa.array([_as_integer(value, limit) for value in items], pa.int64()))
    fits = pc.and_(pc.less_equal(array, limit), pc.greater_equal(array, -limit))
    return series(pc.if_else(fits, array, pa.scalar(None, pa.int64())))


def boolean(values: Iterable[Any]) -> pd.Series:
    """Return a boolean column; anything but true and false is null."""
    return series(pa.array([value if isinstance(value, bool) else None for value in values], pa.bool_()))


def constant(value: object, length: int, dtype: pd.ArrowDtype) -> pd.Series:
    """Return a column that holds one value (or null) throughout."""
    return series(pa.repeat(pa.scalar(value, dtype.pyarrow_dtype), length))


def series(array: pa.Array | pa.ChunkedArray) -> pd.Series:
    """Wrap an Arrow array as a pandas column without copying."""
    return pd.Series(pd.arrays.ArrowExtensionArray(array))


def arrow(column: pd.Series) -> pa.Array:
    """Return the Arrow array behind a pandas column, as one chunk."""
    chunked = column.array.__arrow_array__()
    return chunked.combine_chunks() if isinstance(chunked, pa.ChunkedArray) else chunked


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _as_integer(value: Any, limit: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= limit and (isinstance(value, str) or value == number) else None

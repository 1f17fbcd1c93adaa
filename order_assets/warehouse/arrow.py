"""Rows of a query as Arrow tables or as CSV: exact, a piece at a time, so memory does not grow with the result.

PostgreSQL writes the rows as text (COPY), and pyarrow reads that text in C++: amounts go from `numeric` to `decimal128`
without ever being a float, and no row passes through Python.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

_PIECE_BYTES = 4 << 20
_DIALECT = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
_BETWEEN = "\x1f"  # between the elements of an array; they are codes, and no code holds it
_BOOL, _NUMERIC, _TEXTS = 16, 1700, 1009
_TYPES = {  # by PostgreSQL's number of the type
    _BOOL: pa.bool_(), 20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 25: pa.string(), 1042: pa.string(),
    1043: pa.string(), 1082: pa.date32(), 1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC"),
    _TEXTS: pa.list_(pa.string()),
}  # fmt: skip


def arrow_schema(connection: sa.Connection, query: sa.Select[Any], comments: Mapping[str, str]) -> pa.Schema:
    """Return the Arrow types of a query's columns, their meaning as metadata of the fields.

    `numeric(p,s)` is `decimal128(p,s)`, `timestamptz` is `timestamp[us, UTC]`, `date` is `date32`.

    Raises:
        TypeError: a column has a type that is none of the warehouse's.
    """
    with _cursor(connection) as cursor:
        text, values = _compiled(query.limit(0))
        cursor.execute(text.encode(), values)
        return pa.schema([_field(column, comments) for column in cursor.description or ()])


def pieces(connection: sa.Connection, query: sa.Select[Any], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of a query as tables of that schema; at least one, also if there are no rows.

    Must be read to its end, or the connection be given up, before anything else is asked of the connection.
    """
    raw = pa.schema([pa.field(f.name, pa.string() if pa.types.is_list(f.type) else f.type) for f in schema])
    read = pyarrow.csv.ReadOptions(use_threads=False, column_names=raw.names)
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
    convert = pyarrow.csv.ConvertOptions(
        column_types=raw, null_values=[""], true_values=["true"], false_values=["false"], strings_can_be_null=True,
        quoted_strings_can_be_null=False,  # NULL comes bare, an empty text in quotes
    )  # fmt: skip
    empty = True
    for text in _texts(connection, query, schema, header=False, between=_BETWEEN):
        table = pyarrow.csv.read_csv(io.BytesIO(text), read, parse, convert)
        listed = zip(table, schema, strict=True)
        yield pa.table([_listed(column) if pa.types.is_list(f.type) else column for column, f in listed], schema)
        empty = False
    if empty:
        yield schema.empty_table()


def csv_texts(connection: sa.Connection, query: sa.Select[Any], schema: pa.Schema) -> Iterator[bytes]:
    """Yield the rows of a query as CSV (RFC 4180, UTF-8), names first; amounts with all their places, times in UTC."""
    yield from _texts(connection, query, schema, header=True, between=" ")


def _texts(
    connection: sa.Connection, query: sa.Select[Any], schema: pa.Schema, *, header: bool, between: str
) -> Iterator[bytes]:
    columns: list[sa.ColumnElement[Any]] = []
    for field in schema:
        column = query.selected_columns[field.name]
        if pa.types.is_boolean(field.type):
            columns.append(sa.cast(column, sa.Text).label(field.name))  # true and false; COPY would say t and f
        elif pa.types.is_list(field.type):
            columns.append(sa.func.array_to_string(column, between).label(field.name))
        else:
            columns.append(column)
    text, values = _compiled(query.with_only_columns(*columns))
    buffer = bytearray()
    with _cursor(connection) as cursor:
        cursor.execute("set local datestyle to iso")
        options = "format csv, header true" if header else "format csv"
        with cursor.copy(f"copy ({text}) to stdout ({options})".encode(), values) as copy:
            for row in copy:  # one row each, says the protocol, so a piece never ends within one
                buffer += row
                if len(buffer) >= _PIECE_BYTES:
                    yield bytes(buffer)
                    buffer.clear()
    if buffer:
        yield bytes(buffer)


def _field(column: psycopg.Column, comments: Mapping[str, str]) -> pa.Field:
    if column.type_code == _NUMERIC and column.precision is not None:
        type_: pa.DataType | None = pa.decimal128(column.precision, column.scale or 0)
    else:
        type_ = _TYPES.get(column.type_code)
    if type_ is None:
        raise TypeError(f"{column.name}: {column.type_display} has no exact Arrow type")
    return pa.field(column.name, type_, metadata={"comment": comments.get(column.name, "")})


def _listed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    split = pc.split_pattern(texts, _BETWEEN)
    return pc.if_else(pc.equal(texts, ""), pa.scalar([], pa.list_(pa.string())), split)


def _compiled(query: sa.Select[Any]) -> tuple[str, Mapping[str, Any]]:
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), compiled.params


def _cursor(connection: sa.Connection) -> psycopg.Cursor[Any]:
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("the connection is not psycopg's")
    # COPY takes no parameters of the server's; psycopg quotes them in this one.
    return psycopg.ClientCursor(driver)

"""Frames with Arrow columns into tables by COPY, exactly: decimals and instants travel as text.

Columns of type array must already be PostgreSQL array literals. What is loaded, and when, is decided in `load`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa


def rendered(table: sa.Table, frame: pd.DataFrame) -> memoryview:
    """Return a frame's rows of a table as CSV."""
    if frame.empty:
        return memoryview(b"")
    # One chunk per column: for an empty chunk, as pandas.concat leaves them, write_csv repeats stale bytes.
    columns = [column.name for column in table.columns]
    rows = pa.Table.from_pandas(frame[columns], preserve_index=False).combine_chunks()
    buffer = pa.BufferOutputStream()
    pyarrow.csv.write_csv(rows, buffer, pyarrow.csv.WriteOptions(include_header=False))
    return memoryview(buffer.getvalue())


def send(connection: sa.Connection, table: sa.Table, text: memoryview) -> None:
    """COPY rows that were rendered for the table."""
    if not text:
        return
    preparer = connection.dialect.identifier_preparer
    target = preparer.format_table(table)
    columns = ", ".join(preparer.quote(column.name) for column in table.columns)
    raw = connection.connection.driver_connection
    assert raw is not None  # noqa: S101 - an open SQLAlchemy connection has one
    with raw.cursor() as cursor, cursor.copy(f"copy {target} ({columns}) from stdin (format csv)") as sink:
        sink.write(text)


def begun(
    worker: Executor, rows: Iterable[tuple[sa.Table, pd.DataFrame]]
) -> Iterator[tuple[sa.Table, Future[memoryview]]]:
    """Yield each frame's table and its text, which a thread of the worker begins to render when it is asked for."""
    for table, frame in rows:
        yield table, worker.submit(rendered, table, frame)


def copy_all(connection: sa.Connection, rows: Iterable[tuple[sa.Table, Future[memoryview]]]) -> None:
    """COPY what was begun, one after another; while the server takes one, the next is rendered.

    `rows` is read between two COPYs, so it may use the connection.
    """
    ready: tuple[sa.Table, Future[memoryview]] | None = None
    for coming in rows:
        if ready is not None:
            send(connection, ready[0], ready[1].result())
        ready = coming
    if ready is not None:
        send(connection, ready[0], ready[1].result())

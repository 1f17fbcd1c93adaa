"""Tables as files: CSV and Parquet with exact decimals, from one snapshot, a piece at a time, all files or none.

What a table is and which rows of it are wanted is said by `warehouse.relations`; the command is in `cli_export`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from order_assets.warehouse import arrow
from order_assets.warehouse.relations import Relation, Selection, SelectionError

Format = Literal["csv", "parquet"]


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written. `rows` None: not counted (CSV passes as text)."""

    table: str
    file: Path
    bytes: int
    rows: int | None


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection whose queries all see the same moment, and which can write nothing."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection:
        yield connection


def export(
    engine: sa.Engine, targets: Mapping[Path, Relation], file_format: Format, selection: Selection
) -> list[Exported]:
    """Write each relation to its file. The files appear together, when all are written; they are private (0600).

    Raises:
        SelectionError: the selection names what a relation or the database does not have, or a target is a folder;
            nothing is written.
        OSError: a file cannot be written; none appears.
    """
    written: list[Exported] = []
    with ExitStack() as stack:
        moves = []
        connection = stack.enter_context(snapshot(engine))
        queries = {path: relation.query(connection, selection) for path, relation in targets.items()}
        if folders := [str(path) for path in targets if path.is_dir()]:
            raise SelectionError(f"{folders[0]} is a folder, and a file is to be written there")
        for path, relation in targets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            mine = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            stack.callback(mine.unlink, missing_ok=True)
            schema = arrow.arrow_schema(connection, queries[path], relation.columns)
            with os.fdopen(os.open(mine, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
                rows = write(connection, queries[path], schema, file_format, file)
                file.flush()
                os.fsync(file.fileno())
            written.append(Exported(relation.name, path, mine.stat().st_size, rows))
            moves.append((mine, path))
        for mine, path in moves:
            mine.replace(path)
    return written


def write(
    connection: sa.Connection,
    query: sa.Select[tuple[object, ...]],
    schema: pa.Schema,
    file_format: Format,
    file: IO[bytes],
) -> int | None:
    """Write the rows of a query into an open file; return their number, None for CSV.

    Parquet holds decimals as decimal128, zones, and the columns' comments as metadata of the fields.
    """
    if file_format == "csv":
        for text in arrow.csv_texts(connection, query, schema):
            file.write(text)
        return None
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for piece in arrow.pieces(connection, query, schema):
            writer.write_table(piece)
            rows += piece.num_rows
    return rows

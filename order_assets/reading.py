"""The tables of this installation as pandas frames, for notebooks and scripts: what `order_assets.read` does.

Only looks: it starts the embedded server if that is the one in use, and neither migrates nor crawls.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa

from order_assets import runtime
from order_assets.export import snapshot
from order_assets.warehouse import arrow
from order_assets.warehouse.engine import WarehouseError, connect
from order_assets.warehouse.relations import Selection, find


def read(  # noqa: PLR0913 - choices, all by name
    table: str,
    *,
    columns: Iterable[str] = (),
    store: str | Iterable[str] = (),
    currency: str | Iterable[str] = (),
    source: str | None = None,
    since: date | str | None = None,
    until: date | str | None = None,
    database_url: str | None = None,
) -> pd.DataFrame:
    """Do what `order_assets.read` promises."""
    selection = Selection(_several(store), _several(currency), source, _day(since), _day(until))
    relation = find(table)
    engine = connect(database_url or runtime.database_url().get_secret_value())
    try:
        with snapshot(engine) as connection:
            query = relation.query(connection, selection, _several(columns))
            schema = arrow.arrow_schema(connection, query, relation.columns)
            frame = pa.concat_tables(arrow.pieces(connection, query, schema))
    except (sa.exc.ProgrammingError, psycopg.ProgrammingError) as error:
        cause = error.orig if isinstance(error, sa.exc.ProgrammingError) else error
        what = cause.diag.message_primary if isinstance(cause, psycopg.Error) else type(error).__name__
        raise WarehouseError(f"cannot read {table}: {what}. To fill the database: make run") from None
    finally:
        engine.dispose()
    exact: pd.DataFrame = frame.to_pandas(types_mapper=pd.ArrowDtype)
    return exact


def _several(values: str | Iterable[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def _day(value: date | str | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value

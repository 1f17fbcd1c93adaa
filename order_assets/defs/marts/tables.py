"""What an asset over a table shows: its columns with descriptions, its row count, its place."""

from collections.abc import Iterable
from typing import Any, Literal

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from order_assets.defs.partitions import ACCOUNTS, pages_of
from order_assets.warehouse.lineage import column_origins
from order_assets.warehouse.schema import metadata
from order_assets.warehouse.summary_schema import VIEW_COLUMNS

RAW_PAGES = [pages_of(source_system) for source_system in ACCOUNTS]
_MONTHS_NOTE = " One partition per month; a month that begins stays missing until it has orders."
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def mart(name: str) -> dg.AssetKey:
    """Return the key of a table in schema `marts`."""
    return dg.AssetKey(["marts", name])


def _schema(columns: Iterable[sa.Column[Any]]) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=column.type.compile(dialect=_POSTGRESQL).lower(),
                description=column.comment,
                constraints=dg.TableColumnConstraints(nullable=bool(column.nullable), unique=False),
            )
            for column in columns
        ]
    )


def lineage(name: str) -> dg.TableColumnLineage:
    """Return which columns of the facts each column of a summary comes from."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(mart(table), origin) for table, origin in origins]
            for column, origins in column_origins(name).items()
        }
    )


def _metadata(name: str, columns: Iterable[sa.Column[Any]]) -> dict[str, Any]:
    return {"dagster/column_schema": _schema(columns), "dagster/table_name": f"marts.{name}"}


def mart_spec(
    name: str,
    *,
    group: str,
    deps: list[dg.AssetKey],
    made_by: Literal["pandas", "sql"] = "pandas",
    partitions_def: dg.PartitionsDefinition[str] | None = None,
) -> dg.AssetSpec:
    """Return the spec of a table in schema `marts`; description and columns come from the schema.

    A table made by SQL is a summary of other marts, so its columns have a lineage; facts come from pages, which are
    no table.
    """
    table = metadata.tables[f"marts.{name}"]
    of_columns = {"dagster/column_lineage": lineage(name)} if made_by == "sql" else {}
    return dg.AssetSpec(
        mart(name),
        deps=deps,
        description=f"{table.comment}.{_MONTHS_NOTE if partitions_def else ''}",
        group_name=group,
        kinds={"postgres", made_by},
        owners=["team:analytics"],
        tags={"layer": "marts"},
        code_version="1",
        partitions_def=partitions_def,
        metadata={**_metadata(name, table.columns), **of_columns},
    )


def dense_spec(name: str, *, group: str) -> dg.AssetSpec:
    """Return the spec of a view with every day of `revenue_daily`, to the date of the last run."""
    return dg.AssetSpec(
        mart(name),
        deps=[mart("revenue_daily")],
        description="A view: revenue_daily with every day from a store's first order to the date of the last run"
        " (ops.as_of). Days without orders count 0; their ratios are NULL.",
        group_name=group,
        kinds={"postgres", "sql"},
        owners=["team:analytics"],
        tags={"layer": "marts"},
        code_version="1",
        metadata={**_metadata(name, VIEW_COLUMNS[name]), "dagster/column_lineage": lineage(name)},
    )


def row_count(connection: sa.Connection, name: str) -> int:
    """Count the rows of a table or view in schema `marts`."""
    table = sa.table(name, schema="marts")
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())

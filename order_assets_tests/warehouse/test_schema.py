"""The migrated database, `schema.py` and the reference DDL say the same; migrating is safe at any time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from order_assets.warehouse import ledger_schema, reporting, schema, summary_schema
from order_assets.warehouse.engine import WarehouseError, connect, migrate
from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets_tests.warehouse.catalog import ALL, COLUMNS, CONSTRAINTS, catalog
from order_assets_tests.warehouse.parts import do, rows

GOLDEN_DDL = Path(__file__).parent.parent / "golden" / "ddl.sql"
# Tables of which the reference only says that they are as another, with another period: that of the other, and theirs.
VARIANTS = {
    "revenue_monthly": ("revenue_daily", "order_date", "order_month"),
    "discount_by_kind_daily": ("discount_by_kind_monthly", "order_month", "order_date"),
    "discount_by_code_monthly": ("discount_by_code", "", "order_month"),
    "product_daily": ("product_monthly", "order_month", "order_date"),
}


def test_alembic_sees_no_difference(engine: sa.Engine) -> None:
    """Without it, `schema.py` could promise a column that no migration makes."""
    options = {"include_schemas": True, "version_table_schema": "ops", "include_name": _ours}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name in schema.SCHEMAS


@pytest.mark.parametrize("query", ALL, ids=["columns", "constraints", "indexes", "sequences", "names"])
def test_the_catalogs_are_equal(query: str, engine: sa.Engine, empty_engine: sa.Engine) -> None:
    """Without it, a check, default, comment or generated column could differ, which alembic does not compare."""
    with empty_engine.begin() as connection:
        for name in schema.SCHEMAS:
            connection.execute(sa.schema.CreateSchema(name))
        schema.metadata.create_all(connection)
    migrated, made = catalog(engine, query), catalog(empty_engine, query)
    assert migrated == made
    assert migrated


def test_every_table_and_column_says_what_it_holds(engine: sa.Engine) -> None:
    """Without it, an analyst would have to ask us what a column means."""
    columns = rows(engine, COLUMNS, schemas=list(schema.SCHEMAS))
    assert len({row["table_name"] for row in columns}) == len(schema.metadata.tables)
    assert [row for row in columns if not row["comment"] or not row["table_comment"]] == []


def test_no_column_can_hold_personal_data(engine: sa.Engine) -> None:
    """Without it, a name or an address could get a column of its own one day."""
    forbidden = {"email", "phone", "address", "postal_code", "notes", "secret_slug", "payment_url", "public_order_url"}
    names = {str(row["name"]) for row in rows(engine, COLUMNS, schemas=["marts"])}
    assert names & forbidden == set()


@pytest.fixture
def reference(empty_engine: sa.Engine) -> sa.Engine:
    """A database made from the reference DDL."""
    with empty_engine.begin() as connection:
        connection.exec_driver_sql(GOLDEN_DDL.read_text(encoding="utf-8"))
    return empty_engine


def _columns(rows_of: list[dict[str, object]]) -> set[tuple[object, ...]]:
    kept = ("name", "type", "required", "identity", "generated", "value")
    return {(str(row["table_name"]).removeprefix("marts."), *(row[name] for name in kept)) for row in rows_of}


def _constraints(rows_of: list[dict[str, object]]) -> set[tuple[object, ...]]:
    # The reference is made under a search_path, so its definitions leave out the schema of the tables they refer to.
    return {tuple(str(value).replace("marts.", "") for value in row.values()) for row in rows_of}


def _spelled_out(documented: set[tuple[object, ...]]) -> set[tuple[object, ...]]:
    """Write out the tables that the reference describes by another."""
    found = {row for row in documented if row[0] not in VARIANTS}
    for name, (other, period, own) in VARIANTS.items():
        for table, what, *rest in documented:
            if table == other and what == "p":
                keys = str(rest[0])
                keys = keys.replace(period, own) if period else keys.replace("KEY (", f"KEY ({own}, ")
                found.add((name, what, keys))
            elif table == other:
                found.add((name, own if period and what == period else what, *rest))
        if not period and not any(row[1] == "p" for row in documented):
            found.add((name, own, "date", True, "", "", None))
    return found


def test_the_tables_are_those_of_the_reference(reference: sa.Engine, engine: sa.Engine) -> None:
    """Without it, a table could be forgotten, or one invented that no document describes."""
    documented, ours = (
        {str(row["table_name"]).removeprefix("marts.") for row in rows(made, COLUMNS, schemas=["marts"])}
        for made in (reference, engine)
    )
    assert ours == documented | VARIANTS.keys()


def test_columns_are_those_of_the_reference(reference: sa.Engine, engine: sa.Engine) -> None:
    """Without it, a program written against the documents would not find a column, or another type."""
    documented, ours = (_columns(rows(made, COLUMNS, schemas=["marts"])) for made in (reference, engine))
    assert ours == _spelled_out(documented)


def test_constraints_are_those_of_the_reference(reference: sa.Engine, engine: sa.Engine) -> None:
    """Without it, an identity of the money could be dropped, or a key be wider than documented."""
    documented, ours = (_constraints(rows(made, CONSTRAINTS, schemas=["marts"])) for made in (reference, engine))
    assert ours == _spelled_out(documented)


@pytest.mark.parametrize("name", REGISTRY)
def test_measures_come_from_the_registry(name: str, engine: sa.Engine) -> None:
    """Without it, a definition shown to users could differ from the one that is computed."""
    comments = {
        row["name"]: row["comment"]
        for row in rows(engine, COLUMNS, schemas=["marts"])
        if row["table_name"] == f"marts.{name}"
    }
    published = {metric.name: metric.description for metric in REGISTRY[name] if metric.published}
    assert published.items() <= comments.items()


def test_views_are_equal_and_explained(engine: sa.Engine, empty_engine: sa.Engine) -> None:
    """Without it, the migrated view could compute something else than the one the registry describes."""
    with empty_engine.begin() as connection:
        for name in schema.SCHEMAS:
            connection.execute(sa.schema.CreateSchema(name))
        schema.metadata.create_all(connection)
    query = """
        select c.relname, pg_get_viewdef(c.oid) as body, obj_description(c.oid) as about, a.attname,
            col_description(c.oid, a.attnum) as comment
        from pg_class as c inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
        where c.relkind = 'v' and c.relnamespace::regnamespace::text = any(:schemas)
    """
    migrated, made = catalog(engine, query), catalog(empty_engine, query)
    assert migrated == made
    assert {row[0] for row in migrated} == set(summary_schema.VIEW_COLUMNS) | {view.name for view in reporting.VIEWS}
    assert all(row[2] and row[4] for row in migrated)


# Migrating


def test_migrating_again_changes_nothing(engine: sa.Engine) -> None:
    """Without it, every start of a process would touch the schema, or fail on it."""
    query = (
        "select relname, relfilenode, xmin::text from pg_class where relnamespace::regnamespace::text = any(:schemas)"
    )
    before = catalog(engine, query)
    migrate(engine)
    assert catalog(engine, query) == before


def test_many_processes_may_migrate_at_once(empty_url: str) -> None:
    """Without it, the daemon, the webserver and a run started together would trip over each other."""
    engines = [connect(empty_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, engines))
    assert rows(engines[0], "select count(*) as n from ops.alembic_version") == [{"n": 1}]
    assert len(catalog(engines[0], COLUMNS)) == sum(len(table.columns) for table in schema.metadata.tables.values())
    for engine in engines:
        engine.dispose()


def test_a_failed_migration_leaves_nothing(empty_url: str) -> None:
    """Without it, a migration cut off half way would leave a database that no release can use."""
    engine = connect(empty_url)
    do(engine, ["create schema raw", "create table raw.order_pages (in_the_way int)"])
    with pytest.raises(sa.exc.ProgrammingError, match="order_pages"):
        migrate(engine)
    assert rows(engine, "select nspname from pg_namespace where nspname in ('marts', 'ops', 'reporting')") == []
    do(engine, "drop schema raw cascade")
    migrate(engine)
    engine.dispose()


def test_a_database_of_a_newer_release_is_refused(engine: sa.Engine) -> None:
    """Without it, an old release would write into tables it does not understand."""
    do(engine, "update ops.alembic_version set version_num = '9999'")
    with pytest.raises(WarehouseError, match="schema 9999, which this release does not know"):
        migrate(engine)


def test_the_ledger_is_part_of_the_schema() -> None:
    """Without it, tables of `ops` and `raw` would escape every comparison above."""
    assert {table.schema for table in schema.metadata.tables.values()} == set(schema.SCHEMAS) - {reporting.SCHEMA}
    assert ledger_schema.crawls.metadata is schema.metadata

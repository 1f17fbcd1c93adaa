"""What PostgreSQL's catalogs say of a database's tables, to compare two databases by."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from order_assets.warehouse import schema
from order_assets_tests.warehouse.parts import rows

COLUMNS = """
    select n.nspname || '.' || c.relname as table_name, a.attname as name,
        format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required, a.attidentity as identity,
        a.attgenerated as generated, pg_get_expr(d.adbin, d.adrelid) as value,
        col_description(c.oid, a.attnum) as comment, obj_description(c.oid) as table_comment
    from pg_class as c
    inner join pg_namespace as n on n.oid = c.relnamespace
    inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind = 'r' and n.nspname = any(:schemas) and c.relname <> 'alembic_version'
"""
CONSTRAINTS = """
    select conrelid::regclass::text as table_name, contype::text as kind, pg_get_constraintdef(oid) as definition
    from pg_constraint where connamespace::regnamespace::text = any(:schemas) and contype <> 'n'
    and conrelid::regclass::text not like '%alembic_version'
"""
INDEXES = """
    select tablename as table_name, regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX \\S+ ', '\\1') as definition
    from pg_indexes where schemaname = any(:schemas) and tablename <> 'alembic_version'
"""
SEQUENCES = "select schemaname, sequencename, data_type::text from pg_sequences where schemaname = any(:schemas)"
NAMES = """
    select conname from pg_constraint
    where connamespace::regnamespace::text = any(:schemas) and contype <> 'n' and conname <> 'alembic_version_pkc'
"""


ALL = (COLUMNS, CONSTRAINTS, INDEXES, SEQUENCES, NAMES)


def catalog(engine: sa.Engine, query: str, schemas: Iterable[str] = schema.SCHEMAS) -> set[tuple[object, ...]]:
    """Return the rows of one of the queries above."""
    return {tuple(row.values()) for row in rows(engine, query, schemas=list(schemas))}

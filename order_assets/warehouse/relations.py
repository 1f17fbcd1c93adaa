"""What analysts may read, as tables by name, and the query for a part of one.

That is every view of `reporting` and every table of `marts`; the ledger and the raw pages are not among them, nor are
pseudonyms of e-mail addresses and phone numbers. How rows become files or frames is not decided here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from typing import Any

import sqlalchemy as sa

from order_assets.warehouse import reporting
from order_assets.warehouse.schema import dim_store, metadata, order_facts
from order_assets.warehouse.summary_schema import VIEW_COLUMNS

_LEFT_OUT = frozenset({"email_hmac", "phone_hmac"})
_DATES = ("order_date", "order_month", "movement_date")


class SelectionError(ValueError):
    """No such table, column or store, or nothing to select by; the message names what there is."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: by store (its key, or its id at the source), currency (ISO 4217), source, and dates, both included.

    Dates are those of the table's own days or months: a month counts by its first day.
    """

    stores: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    source: str | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view by its name; `columns` with their comments, `keys` in the order of an export."""

    schema: str
    name: str
    comment: str
    columns: Mapping[str, str]
    keys: tuple[str, ...]
    types: Mapping[str, sa.types.TypeEngine[Any]] = field(default_factory=dict)
    """Of columns whose type the database does not tell in full: amounts of a view that computes."""

    def query(self, connection: sa.Connection, selection: Selection, columns: Sequence[str] = ()) -> sa.Select[Any]:
        """Return the query of the selected rows, ordered by the keys.

        Raises:
            SelectionError: no such column or store, or the table has nothing to select by.
        """
        unknown = [name for name in columns if name not in self.columns]
        if unknown:
            raise SelectionError(f"{self.name} has no column {', '.join(unknown)}{_near(unknown[0], self.columns)}")
        table = sa.table(self.name, *(sa.column(name) for name in self.columns), schema=self.schema)
        query = sa.select(
            *(
                sa.cast(table.c[name], self.types[name]).label(name) if name in self.types else table.c[name]
                for name in columns or self.columns
            )
        )
        conditions = self._conditions(table, connection, selection)
        return query.where(*conditions).order_by(*(table.c[key] for key in self.keys))

    def _conditions(
        self, table: sa.TableClause, connection: sa.Connection, selection: Selection
    ) -> list[sa.ColumnElement[bool]]:
        # A cohort is a date of the cohorts, and no more than a quality of each customer.
        dates = (*_DATES, "cohort_month") if "cohort_month" in self.keys else _DATES
        own: list[sa.ColumnElement[bool]] = []
        of_order: list[sa.ColumnElement[bool]] = []
        for names, word, value in (
            (("store_key",), "store", _store_keys(connection, selection.stores) if selection.stores else None),
            (("currency", "currency_code"), "currency", list(selection.currencies) or None),
            (("source", "source_system"), "source", [selection.source] if selection.source else None),
            (dates, "since", selection.since),
            (dates, "until", selection.until),
        ):
            if value is None:
                continue
            name = next((each for each in names if each in self.columns), None)
            if name is not None:
                own.append(_compare(table.c[name], word, value))
            elif "order_key" in self.columns:
                name = next(each for each in names if each in order_facts.c)
                of_order.append(_compare(order_facts.c[name], word, value))
            else:
                raise SelectionError(f"{self.name} cannot be selected by {word}: it has no {' or '.join(names)}")
        if of_order:
            own.append(table.c.order_key.in_(sa.select(order_facts.c.order_key).where(*of_order)))
        return own


def find(name: str) -> Relation:
    """Return a table by its name, with or without its schema.

    Raises:
        SelectionError: there is none, or it is not for analysts.
    """
    schema, _, bare = name.rpartition(".")
    found = relations().get(bare)
    if found is None or schema not in {"", found.schema}:
        raise SelectionError(f"there is no table {name}{_near(bare, relations())}; see: order-assets export --list")
    return found


@cache
def relations() -> Mapping[str, Relation]:
    """Return every table by its name, views first."""
    views = [
        Relation(
            reporting.SCHEMA,
            view.name,
            view.comment,
            {column.name: column.comment for column in view.columns},
            view.keys,
        )
        for view in reporting.VIEWS
    ]
    tables = [
        _mart(table.name, str(table.comment), table.columns, table.primary_key)
        for table in metadata.sorted_tables
        if table.schema == "marts"
    ]
    days = metadata.tables["marts.revenue_daily"]
    dense = [
        replace(
            _mart(name, "revenue_daily with every day; days without orders count 0", columns, days.primary_key),
            types={column.name: column.type for column in columns if isinstance(column.type, sa.Numeric)},
        )
        for name, columns in VIEW_COLUMNS.items()
    ]
    return {each.name: each for each in [*views, *sorted([*tables, *dense], key=lambda mart: mart.name)]}


def _mart(name: str, comment: str, columns: Iterable[sa.Column[Any]], keys: Iterable[sa.Column[Any]]) -> Relation:
    shown = {column.name: str(column.comment) for column in columns if column.name not in _LEFT_OUT}
    return Relation("marts", name, comment, shown, tuple(column.name for column in keys))


def _compare(column: sa.ColumnElement[Any], word: str, value: Any) -> sa.ColumnElement[bool]:
    compared: sa.ColumnElement[bool] = (
        column >= value if word == "since" else column <= value if word == "until" else column.in_(value)
    )
    return compared


def _store_keys(connection: sa.Connection, stores: Sequence[str]) -> list[str]:
    rows = connection.execute(sa.select(dim_store.c.store_key, dim_store.c.source_store_id)).all()
    known = {row.store_key: row.store_key for row in rows}
    by_id: dict[str, list[str]] = {}
    for row in rows:
        by_id.setdefault(row.source_store_id, []).append(row.store_key)
    keys: list[str] = []
    for store in stores:
        matching = [known[store]] if store in known else by_id.get(store, [])
        if not matching:
            listed = ", ".join(sorted(known)[:10]) or "none yet"
            raise SelectionError(f"there is no store {store}; there are: {listed}")
        keys += matching
    return keys


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""

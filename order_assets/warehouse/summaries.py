"""Summaries from facts: groups of whole months recomputed from the facts, and only rows that differ written.

The measures come from the registry in `metrics`; here is which facts a summary groups, and by what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from order_assets.warehouse import schema
from order_assets.warehouse.ledger_schema import summarised_months, touched_months
from order_assets.warehouse.metrics import DISCOUNT_BY_KIND, REVENUE, Metric

_UNCOMPARED = {"computed_at", "run_id"}  # they say when a row changed, so they are no reason to change it


@dataclass(frozen=True, slots=True)
class SummaryCounts:
    """Rows of the recomputed months, and how many of them were written or removed."""

    rows: int
    written: int
    removed: int


def _aggregates(metrics: Iterable[Metric]) -> list[sa.Label[Any]]:
    return [sa.literal_column(m.aggregate_sql()).label(m.name) for m in metrics if m.kind != "ratio"]


def _measures(metrics: Iterable[Metric], grouped: sa.Subquery) -> list[sa.ColumnElement[Any]]:
    return [
        sa.literal_column(m.ratio_sql()).label(m.name) if m.kind == "ratio" else grouped.c[m.name]
        for m in metrics
        if m.published
    ]


def _facts_of(first: date, last: date) -> tuple[Any, sa.ColumnElement[bool]]:
    facts = schema.order_facts.alias("f")
    return facts, sa.and_(facts.c.order_date >= first, facts.c.order_date < _month_after(last))


def _month_after(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def _revenue_daily(first: date, last: date) -> sa.Select[tuple[Any, ...]]:
    facts, in_months = _facts_of(first, last)
    lifecycle = schema.order_lifecycle.alias("l")
    keys = [facts.c.order_date, facts.c.source_system, facts.c.store_key, facts.c.currency_code]
    grouped = (
        sa.select(*keys, *_aggregates(REVENUE))
        .select_from(facts.outerjoin(lifecycle, lifecycle.c.order_key == facts.c.order_key))
        .where(in_months)
        .group_by(*keys)
        .subquery("g")
    )
    return sa.select(*(grouped.c[key.name] for key in keys), *_measures(REVENUE, grouped))


def _discount_by_kind_monthly(first: date, last: date) -> sa.Select[tuple[Any, ...]]:
    facts, in_months = _facts_of(first, last)
    discounts = schema.discount_facts.alias("d")
    month = sa.cast(sa.func.date_trunc("month", facts.c.order_date), sa.Date).label("order_month")
    keys = [facts.c.source_system, facts.c.store_key, facts.c.currency_code, discounts.c.discount_kind]
    per_kind = (
        sa.select(month, *keys, *_aggregates(DISCOUNT_BY_KIND))
        .join(discounts, discounts.c.order_key == facts.c.order_key)
        .where(in_months, facts.c.revenue_class.in_(["recognised", "lost"]))
        .group_by(month, *keys)
        .subquery("k")
    )
    of_all_kinds = sa.func.sum(per_kind.c.discount_amount).over(
        partition_by=[per_kind.c.order_month, per_kind.c.source_system, per_kind.c.store_key, per_kind.c.currency_code]
    )
    grouped = sa.select(per_kind, of_all_kinds.label("discount_of_all_kinds")).subquery("g")
    names = ["order_month", *(key.name for key in keys)]
    return sa.select(*(grouped.c[name] for name in names), *_measures(DISCOUNT_BY_KIND, grouped))


_QUERIES = {"revenue_daily": _revenue_daily, "discount_by_kind_monthly": _discount_by_kind_monthly}
MONTHLY_TABLES = tuple(_QUERIES)
"""Summaries that are recomputed month by month."""


def stale_months(connection: sa.Connection, table_name: str) -> list[date]:
    """Return the months (first days, ascending) whose facts changed since the summary last followed them."""
    query = (
        sa.select(touched_months.c.order_month)
        .outerjoin(
            summarised_months,
            sa.and_(
                summarised_months.c.order_month == touched_months.c.order_month,
                summarised_months.c.table_name == table_name,
            ),
        )
        .where(touched_months.c.change_number > sa.func.coalesce(summarised_months.c.change_number, -1))
        .order_by(touched_months.c.order_month)
    )
    return list(connection.execute(query).scalars())


def is_first_time(connection: sa.Connection) -> bool:
    """Return whether no month was ever summarised."""
    return not connection.execute(sa.select(sa.exists().select_from(summarised_months))).scalar_one()


def summarise(connection: sa.Connection, table_name: str, first: date, last: date, run_id: str) -> SummaryCounts:
    """Recompute a summary for the months from `first` to `last` (first days, both included).

    Whole groups are computed from the facts; rows that differ are written, rows of groups that vanished removed, and
    the months marked as followed, all in the caller's transaction.
    """
    table = schema.metadata.tables[f"marts.{table_name}"]
    lock = sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"order_assets {table_name}"))
    connection.execute(sa.select(lock))
    # Taken before the facts are read: a load that commits meanwhile leaves the month stale, never wrongly fresh.
    numbers = connection.execute(
        sa.select(touched_months.c.order_month, touched_months.c.change_number).where(
            touched_months.c.order_month.between(first, last)
        )
    ).all()
    stage = _compute(connection, table, _QUERIES[table_name](first, last))
    counted = connection.execution_options(preserve_rowcount=True)
    written = counted.execute(_upsert(table, stage), {"run_id": run_id}).rowcount
    removed = connection.execute(_remove_vanished(table, stage, first, last)).rowcount
    rows = connection.execute(sa.select(sa.func.count()).select_from(stage)).scalar_one()
    if numbers:
        followed = insert(summarised_months).values(
            [{"table_name": table_name, "order_month": month, "change_number": n} for month, n in numbers]
        )
        connection.execute(
            followed.on_conflict_do_update(
                index_elements=["table_name", "order_month"],
                set_={
                    "change_number": sa.func.greatest(
                        summarised_months.c.change_number, followed.excluded.change_number
                    )
                },
            )
        )
    return SummaryCounts(rows=rows, written=written, removed=removed)


def _compute(connection: sa.Connection, table: sa.Table, query: sa.Select[tuple[Any, ...]]) -> sa.Table:
    names = [column.name for column in query.selected_columns]
    stage = sa.Table(
        f"stage_{table.name}",
        sa.MetaData(),
        *(sa.Column(name, table.c[name].type) for name in names),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    stage.drop(connection, checkfirst=True)
    stage.create(connection)
    connection.execute(sa.insert(stage).from_select(names, query))
    return stage


def _upsert(table: sa.Table, stage: sa.Table) -> sa.Insert:
    names = [column.name for column in stage.columns]
    extra: dict[str, sa.ColumnElement[Any]] = {}
    if "computed_at" in table.c:
        extra = {"computed_at": sa.func.now(), "run_id": sa.bindparam("run_id", type_=sa.Text())}
    rows = sa.select(*stage.columns, *(value.label(name) for name, value in extra.items()))
    upsert = insert(table).from_select([*names, *extra], rows)
    keys = [column.name for column in table.primary_key.columns]
    measures = [name for name in names if name not in keys]
    differs = sa.tuple_(*(table.c[name] for name in measures)).is_distinct_from(
        sa.tuple_(*(upsert.excluded[name] for name in measures))
    )
    return upsert.on_conflict_do_update(
        index_elements=keys,
        set_={name: upsert.excluded[name] for name in [*measures, *extra]},
        where=differs,
    )


def _remove_vanished(table: sa.Table, stage: sa.Table, first: date, last: date) -> sa.Delete:
    period = table.c[_period(table.primary_key.columns.keys())]
    same_group = [table.c[column.name] == stage.c[column.name] for column in table.primary_key.columns]
    return sa.delete(table).where(
        period >= first, period < _month_after(last), ~sa.exists().where(sa.and_(*same_group)).correlate(table)
    )


def _period(keys: Sequence[str]) -> str:
    return next(name for name in keys if name in {"order_date", "order_month"})

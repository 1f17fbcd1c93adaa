"""Summaries from facts: whole groups, those that changed or all, recomputed, and only rows that differ written.

The measures come from the registry in `metrics`; here is which facts a summary groups, and by what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from order_assets.warehouse import schema
from order_assets.warehouse.ledger_schema import as_of as as_of_table
from order_assets.warehouse.ledger_schema import summarised_months, summarised_tables, touched_months
from order_assets.warehouse.metrics import PLACED, Metric
from order_assets.warehouse.metrics_registry import REGISTRY
from order_assets.warehouse.sql import source
from order_assets.warehouse.unchanged import count_at_once


@dataclass(frozen=True, slots=True)
class SummaryCounts:
    """Rows of the recomputed months, and how many of them were written or removed."""

    rows: int
    written: int
    removed: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How a table comes from the facts: which rows, by what, and which of them are in a range of months.

    `keys` are SQL over the rows' aliases, in the order of the primary key. `dated` names the date of a row that
    decides its month; empty: the table is computed whole, for all dates at once. The
    first key is what `{period}` is in the registry's windows. `origins`: for columns of a statement of our own, the
    columns of facts they are made of, where that is not the order's column of the same name (see `lineage`).
    `groups`: what the rows are grouped by, with the keys by number, if not by the keys alone.
    """

    keys: dict[str, str]
    rows: str
    where: str = ""
    dated: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)
    groups: str = ""

    @property
    def period(self) -> str:
        """SQL of the group's period over a row of the facts."""
        return next(iter(self.keys.values()))

    @property
    def follows_days(self) -> bool:
        """Whether a group holds orders of one store alone, so that it is known which groups a day of a store is in."""
        return bool(self.dated) and "store_key" in self.keys

    def sql(self, metrics: Sequence[Metric], among: str = "") -> str:
        """Return the query of the groups: aggregates, then what is derived of them, then ratios.

        `among`: a condition on the rows.
        """
        period = next(iter(self.keys))
        keys = ", ".join(f"{value} as {name}" for name, value in self.keys.items())
        aggregates = [f"{m.aggregate_sql()} as {m.name}" for m in metrics if m.is_aggregate]
        further = [
            f"{m.expression.replace('{period}', period)} as {m.name}"
            for m in metrics
            if m.kind in {"derived", "cumulative"}
        ]
        measures = [
            f"{m.ratio_sql()} as {m.name}" if m.kind == "ratio" else f"h.{m.name}" for m in metrics if m.published
        ]
        in_months = f"{self.dated} >= :first and {self.dated} < :after" if self.dated else ""
        conditions = " and ".join(f"({part})" for part in (in_months, self.where, among) if part)
        groups = self.groups or ", ".join(str(i + 1) for i in range(len(self.keys)))
        names = ", ".join(f"h.{name}" for name in self.keys)
        return f"""
            select {names}, {", ".join(measures)} from (
                select {", ".join(["g.*", *further])} from (
                    select {keys}, {", ".join(aggregates)}
                    from {self.rows}
                    where {conditions or "true"}
                    group by {groups}
                ) as g
            ) as h
        """  # noqa: S608 - fixed text of this module and the registry


_DAY = {"order_date": "f.order_date"}
_MONTH = {"order_month": "date_trunc('month', f.order_date)::date"}
_STORE = {"source_system": "f.source_system", "store_key": "f.store_key", "currency_code": "f.currency_code"}
_KIND = {"discount_kind": "d.discount_kind"}
_CODE = {
    "source_system": "f.source_system",
    "source_account": "f.source_account",
    "currency_code": "f.currency_code",
    "discount_code": "d.discount_code",
}
_PRODUCT = {"store_key": "f.store_key", "currency_code": "o.currency_code", "product_key": "o.product_key"}
_FAMILY = {"payment_family": "case when grouping(s.is_cod) = 1 then 'all' when s.is_cod then 'cod' else 'non_cod' end"}
_ORDERS = "marts.order_facts as f"
_WITH_LIFECYCLE = f"{_ORDERS} left join marts.order_lifecycle as l on l.order_key = f.order_key"
_WITH_DISCOUNTS = f"{_ORDERS} inner join marts.discount_facts as d on d.order_key = f.order_key"
_WITH_LINES = f"{_ORDERS} inner join marts.order_line_facts as o on o.order_key = f.order_key"
_SOLD = "f.revenue_class in ('recognised', 'lost')"
_WITH_CODE = f"{_SOLD} and d.discount_kind = 'code' and d.discount_code is not null"
# A line without a currency (XXX) has no group it could be added to.
_LINES = (
    "not f.is_deleted_at_source and (f.recognition_state = 'recognised' or f.lost_kind = 'rts')"
    " and o.currency_code <> 'XXX'"
)


def _same(alias: str, *names: str) -> dict[str, str]:
    return {name: f"{alias}.{name}" for name in names}


def _rows_of(name: str, alias: str) -> str:
    return f"({source(f'summaries/{name}')}) as {alias}"


_MOVEMENT_ORIGINS = {
    "movement_date": "f.recognised_date f.order_date f.lost_date f.source_updated_at f.store_time_zone",
    "is_recognition": "f.revenue_class",
    "is_fallback": "f.recognised_date f.lost_date",
}
_COHORT_ORIGINS = {"cohort_month": "f.order_date", "month_number": "f.order_date", "cohort_size": "f.customer_key"}
_STEP_ORIGINS = {
    "step": "",  # a name of ours
    "is_implied": "f.payment_state f.order_state f.is_physical",
    "seconds": "f.ordered_at l.pending_at l.paid_at l.shipped_at l.completed_at l.rts_at",
}


SUMMARIES: dict[str, Summary] = {
    "revenue_daily": Summary({**_DAY, **_STORE}, _WITH_LIFECYCLE, dated="f.order_date"),
    "revenue_monthly": Summary({**_MONTH, **_STORE}, _WITH_LIFECYCLE, dated="f.order_date"),
    "revenue_movements_daily": Summary(
        _same("m", "movement_date", "source_system", "store_key", "currency_code"), _rows_of("movements", "m"),
        origins=_MOVEMENT_ORIGINS,
    ),
    "discount_by_kind_daily": Summary({**_DAY, **_STORE, **_KIND}, _WITH_DISCOUNTS, _SOLD, "f.order_date"),
    "discount_by_kind_monthly": Summary({**_MONTH, **_STORE, **_KIND}, _WITH_DISCOUNTS, _SOLD, "f.order_date"),
    "discount_by_code": Summary(_CODE, _WITH_DISCOUNTS, _WITH_CODE),
    "discount_by_code_monthly": Summary({**_MONTH, **_CODE}, _WITH_DISCOUNTS, _WITH_CODE, "f.order_date"),
    "customer_summary": Summary(
        _same("f", "source_system", "customer_key", "currency_code"), _ORDERS, PLACED
    ),
    "repeat_rate": Summary(
        _same("p", "source_system", "currency_code"), _rows_of("customer_orders", "p"),
        origins={"orders_recognised": "f.revenue_class f.customer_key"},
    ),
    "customer_cohort_monthly": Summary(
        _same("c", "source_system", "currency_code", "cohort_month", "month_number"), _rows_of("cohort_orders", "c"),
        origins=_COHORT_ORIGINS,
    ),
    "product_daily": Summary({**_DAY, **_PRODUCT}, _WITH_LINES, _LINES, "f.order_date"),
    "product_monthly": Summary({**_MONTH, **_PRODUCT}, _WITH_LINES, _LINES, "f.order_date"),
    "lifecycle_monthly": Summary(
        {"order_month": "date_trunc('month', s.order_date)::date", **_same("s", "store_key", "step"), **_FAMILY},
        _rows_of("lifecycle_steps", "s"), dated="s.order_date", origins=_STEP_ORIGINS,
        groups="grouping sets ((1, 2, 3, s.is_cod), (1, 2, 3))",
    ),
    "status_funnel_monthly": Summary(
        {**_MONTH, **_same("f", "store_key", "currency_code", "order_state")},
        _ORDERS, "not f.is_deleted_at_source", "f.order_date",
    ),
}  # fmt: skip
"""Every summary table."""
WHOLE_TABLES = ("discount_by_code", "customer_summary", "repeat_rate", "customer_cohort_monthly")
"""Summaries without a period, or of several at once: brought up to date as a whole."""
MONTHLY_TABLES = tuple(name for name in SUMMARIES if name not in WHOLE_TABLES)
"""Summaries that are recomputed month by month.

A movement's month is not its order's, and an order that changes leaves movements in months that its new version does
not know: `revenue_movements_daily` is computed whole whatever the months are, and like all, only differences written.
"""

_STALE = sa.table("stale_groups", sa.column("period", sa.Date()), sa.column("store_key", sa.Text()))


def _month_after(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


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


def summarise(
    connection: sa.Connection, table_name: str, first: date, last: date, run_id: str, *, only_stale: bool = False
) -> SummaryCounts:
    """Recompute a summary for the months from `first` to `last` (first days, both included).

    Whole groups are computed from the facts; rows that differ are written, rows of groups that vanished removed, and
    the months marked as followed, all in the caller's transaction. `only_stale`: of summaries by store, only the groups
    whose facts changed since the summary last followed them.
    """
    table, summary = schema.metadata.tables[f"marts.{table_name}"], SUMMARIES[table_name]
    _lock(connection, table_name)
    # Taken before the facts are read: a load that commits meanwhile leaves the month stale, never wrongly fresh.
    months = sa.select(touched_months.c.order_month, touched_months.c.change_number)
    dated = bool(summary.dated)
    if dated:
        months = months.where(touched_months.c.order_month.between(first, last))
    numbers = connection.execute(months).all()
    values = {"first": first, "after": _month_after(last)} if dated else {}
    period = table.c[_period(table.primary_key.columns.keys())]
    in_months = [period >= first, period < _month_after(last)] if dated else []
    among = ""
    if only_stale and summary.follows_days:
        _stage_stale_groups(connection, table, summary, values)
        store = summary.keys["store_key"]
        among = f"({summary.period}, {store}) in (select period, store_key from {_STALE.name})"  # noqa: S608 - ours
        in_months.append(sa.tuple_(period, table.c.store_key).in_(sa.select(_STALE.c.period, _STALE.c.store_key)))
    stage = _compute(connection, table, values, among)
    counts = _replace(connection, table, stage, run_id, in_months)
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
    return counts


def set_as_of(connection: sa.Connection, as_of: date, run_id: str) -> None:
    """Set the date at which ages are taken and the calendar of `revenue_daily_dense` ends."""
    row = insert(as_of_table).values(is_only_row=True, as_of_date=as_of, run_id=run_id)
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["is_only_row"],
            set_={"as_of_date": row.excluded.as_of_date, "run_id": row.excluded.run_id},
            where=as_of_table.c.as_of_date != row.excluded.as_of_date,
        )
    )


def stale_tables(connection: sa.Connection, as_of: date) -> list[str]:
    """Return the whole tables that do not follow the newest facts, or were taken at another date."""
    newest = connection.execute(sa.select(sa.func.max(touched_months.c.change_number))).scalar_one()
    if newest is None:
        return []
    fresh = sa.select(summarised_tables.c.table_name).where(
        summarised_tables.c.change_number >= newest, summarised_tables.c.as_of_date == as_of
    )
    known = set(connection.execute(fresh).scalars())
    return [name for name in WHOLE_TABLES if name not in known]


def summarise_whole(connection: sa.Connection, table_name: str, as_of: date, run_id: str) -> SummaryCounts:
    """Compute a summary over all dates, taken at `as_of`; write rows that differ and remove those that vanished."""
    table = schema.metadata.tables[f"marts.{table_name}"]
    _lock(connection, table_name)
    newest = connection.execute(sa.select(sa.func.max(touched_months.c.change_number))).scalar_one()
    counts = _replace(connection, table, _compute(connection, table, {"as_of": as_of}), run_id, [])
    if newest is not None:
        row = insert(summarised_tables).values(table_name=table_name, change_number=newest, as_of_date=as_of)
        connection.execute(
            row.on_conflict_do_update(
                index_elements=["table_name"],
                set_={"change_number": row.excluded.change_number, "as_of_date": row.excluded.as_of_date},
            )
        )
    return counts


def _lock(connection: sa.Connection, table_name: str) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"order_assets {table_name}"))))


def _stage_stale_groups(
    connection: sa.Connection, table: sa.Table, summary: Summary, values: Mapping[str, date]
) -> None:
    words = {
        "table": table.name,
        "period": next(iter(summary.keys)),
        "from_date": summary.period.replace(summary.dated, "d.order_date"),
    }
    sql = source("summaries/stale_groups")
    for word, value in words.items():
        sql = sql.replace(f"{{{word}}}", value)
    connection.execute(sa.text(f"drop table if exists {_STALE.name}"))
    connection.execute(sa.text(sql), dict(values))
    connection.execute(sa.text(f"analyze {_STALE.name}"))


def _compute(connection: sa.Connection, table: sa.Table, values: Mapping[str, date], among: str = "") -> sa.Table:
    metrics = REGISTRY[table.name]
    names = [*SUMMARIES[table.name].keys, *(m.name for m in metrics if m.published)]
    stage = sa.Table(
        f"stage_{table.name}",
        sa.MetaData(),
        *(sa.Column(name, table.c[name].type) for name in names),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    stage.drop(connection, checkfirst=True)
    stage.create(connection)
    query = sa.text(f"insert into {stage.name} ({', '.join(names)}) {SUMMARIES[table.name].sql(metrics, among)}")
    connection.execute(query, dict(values))
    return stage


def _replace(
    connection: sa.Connection, table: sa.Table, stage: sa.Table, run_id: str, among: list[sa.ColumnElement[bool]]
) -> SummaryCounts:
    counted = connection.execution_options(preserve_rowcount=True)
    values = {"run_id": run_id} if "run_id" in table.c else {}
    written = counted.execute(_upsert(table, stage), values).rowcount
    same_group = [table.c[column.name] == stage.c[column.name] for column in table.primary_key.columns]
    vanished = sa.delete(table).where(*among, ~sa.exists().where(sa.and_(*same_group)).correlate(table))
    removed = connection.execute(vanished).rowcount
    rows = connection.execute(sa.select(sa.func.count()).select_from(stage)).scalar_one()
    count_at_once(connection)
    return SummaryCounts(rows=rows, written=written, removed=removed)


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


def _period(keys: Sequence[str]) -> str:
    return next(name for name in keys if name in {"order_date", "order_month", "movement_date"})

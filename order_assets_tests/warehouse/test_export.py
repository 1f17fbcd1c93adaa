"""Tables as files and frames: every value exactly as PostgreSQL has it, and only what was asked for."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

import order_assets
from order_assets.export import export, snapshot
from order_assets.warehouse import arrow
from order_assets.warehouse.engine import WarehouseError
from order_assets.warehouse.relations import Relation, Selection, SelectionError, find, relations
from order_assets_tests.warehouse.parts import do, rows

EVERYTHING = Selection()


def _url(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _expected(engine: sa.Engine, relation: Relation) -> list[tuple[object, ...]]:
    names, keys = ", ".join(relation.columns), ", ".join(relation.keys)
    query = f"select {names} from {relation.schema}.{relation.name} order by {keys}"  # noqa: S608 - our own names
    return [tuple(row.values()) for row in rows(engine, query)]


def test_a_parquet_file_holds_every_row_and_value_of_every_table(reported: sa.Engine, tmp_path: Path) -> None:
    """Without it, a cent, a microsecond or a NULL could be lost on the way, or a type be a float."""
    targets = {tmp_path / f"{name}.parquet": relation for name, relation in relations().items()}
    written = export(reported, targets, "parquet", EVERYTHING)
    assert sum(each.rows or 0 for each in written) > 1000
    for path, relation in targets.items():
        table = pq.read_table(path)
        assert [tuple(row.values()) for row in table.to_pylist()] == _expected(reported, relation)
        assert not [field for field in table.schema if pa.types.is_floating(field.type)]
        comments = {field.name: field.metadata[b"comment"].decode() for field in table.schema}
        assert comments == dict(relation.columns)
        assert path.stat().st_mode & 0o777 == 0o600


def test_types_say_what_a_value_is(reported: sa.Engine, tmp_path: Path) -> None:
    """Without it, a program would have to guess scale, date or zone from text."""
    export(
        reported, {tmp_path / "o": find("order_facts"), tmp_path / "r": find("revenue_by_day")}, "parquet", EVERYTHING
    )
    orders, revenue = pq.read_schema(tmp_path / "o"), pq.read_schema(tmp_path / "r")
    assert orders.field("payment_amount").type == pa.decimal128(20, 4)
    assert orders.field("ordered_at").type == pa.timestamp("us", "UTC")
    assert orders.field("order_date").type == pa.date32()
    assert orders.field("anomaly_codes").type == pa.list_(pa.string())
    assert orders.field("is_cod").type == pa.bool_()
    assert revenue.field("net_sales").type == pa.decimal128(20, 4)
    assert revenue.field("return_rate").type == pa.decimal128(9, 6)
    assert revenue.field("orders_recognised").type == pa.int32()


def test_a_csv_file_shows_amounts_as_postgresql_does(reported: sa.Engine, tmp_path: Path) -> None:
    """Without it, '0.1000' could become 0.1 or 1e-1, and a NULL the text 'None'."""
    path = tmp_path / "orders.csv"
    export(reported, {path: find("order_facts")}, "csv", EVERYTHING)
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    query = (
        "select payment_amount::text, residual_amount::text, net_shipping_amount::text, ordered_at::text, is_cod,"
        " array_to_string(anomaly_codes, ' ') as anomaly_codes from marts.order_facts order by order_key"
    )
    words = {True: "true", False: "false", None: ""}
    assert [{name: row[name] for name in ("payment_amount", "residual_amount", "net_shipping_amount", "ordered_at",
                                          "is_cod", "anomaly_codes")} for row in read] == [
        {name: words[value] if value is None or isinstance(value, bool) else value for name, value in row.items()}
        for row in rows(reported, query)
    ]  # fmt: skip


HOSTILE = ['=1+1,"x"', "line\nbreak", "", "\\N", "NULL", "ünï\u202ecode\t", "a;b", "'"]


def test_texts_survive_whatever_they_hold(reported: sa.Engine, tmp_path: Path) -> None:
    """Without it, a product with a quote, a comma or a line break would shift every column after it."""
    with reported.begin() as connection:
        keys = connection.execute(sa.text("select order_key, line_number from marts.order_line_facts")).all()
        for text, key in zip(HOSTILE, keys, strict=False):
            connection.execute(
                sa.text(
                    "update marts.order_line_facts set product_name = :t where order_key = :k and line_number = :n"
                ),
                {"t": text, "k": key[0], "n": key[1]},
            )
    frame = order_assets.read("order_line_facts", columns=["product_name"], database_url=_url(reported))
    assert set(HOSTILE) <= set(frame["product_name"].dropna())
    path = tmp_path / "lines.csv"
    export(reported, {path: find("order_line_facts")}, "csv", EVERYTHING)
    with path.open(encoding="utf-8", newline="") as file:
        assert set(HOSTILE) <= {row["product_name"] for row in csv.DictReader(file)}


def test_a_frame_is_exact(reported: sa.Engine) -> None:
    """Without it, sums in a notebook would differ from those of the database by float errors."""
    frame = order_assets.read("revenue_daily", database_url=_url(reported))
    dtype = frame["net_sales_amount"].dtype
    assert dtype == pd.ArrowDtype(pa.decimal128(20, 4))
    assert frame["computed_at"].dtype == pd.ArrowDtype(pa.timestamp("us", "UTC"))
    assert frame["order_date"].dtype == pd.ArrowDtype(pa.date32())
    for currency, net in frame.groupby("currency_code")["net_sales_amount"].sum().items():
        query = "select sum(net_sales_amount) as n from marts.revenue_daily where currency_code = :currency"
        assert rows(reported, query, currency=currency) == [{"n": net}]
        assert isinstance(net, Decimal)


def test_an_empty_table_has_its_columns(engine: sa.Engine) -> None:
    """Without it, a notebook would break on the first day, before there is an order."""
    frame = order_assets.read("revenue_by_day", database_url=_url(engine))
    assert frame.empty
    assert frame["net_sales"].dtype == pd.ArrowDtype(pa.decimal128(20, 4))


def test_rows_are_selected_by_store_currency_source_and_date(reported: sa.Engine) -> None:
    """Without it, a file 'of May, store A' could hold other months or stores; lines go with their order."""
    (store,) = rows(reported, "select store_key, source_store_id from marts.dim_store where source_system = 'scalev'"
                    " order by 1 limit 1")  # fmt: skip
    bounds = rows(reported, "select min(order_date) + 30 as a, max(order_date) - 30 as b from marts.order_facts")[0]
    first, last = bounds["a"], bounds["b"]
    assert isinstance(first, date)
    assert isinstance(last, date)
    query = (
        "select order_key from marts.order_facts where store_key = :s and currency_code = 'IDR'"
        " and order_date between :a and :b"
    )
    orders = {row["order_key"] for row in rows(reported, query, s=store["store_key"], a=first, b=last)}
    assert orders
    for name in ("order_facts", "orders"):
        frame = order_assets.read(name, store=str(store["source_store_id"]), currency="IDR", source="scalev",
                                  since=first, until=last.isoformat(), database_url=_url(reported))  # fmt: skip
        assert set(frame["order_key"]) == orders
    for name in ("order_line_facts", "order_lines", "order_lifecycle"):
        frame = order_assets.read(name, store=[str(store["store_key"])], since=first, until=last, source="scalev",
                                  database_url=_url(reported))  # fmt: skip
        assert set(frame["order_key"]) <= {*orders}
        assert len(frame)
    months = order_assets.read("revenue_by_month", since=first, until=last, database_url=_url(reported))
    assert min(months["order_month"]) >= first
    assert max(months["order_month"]) <= last


@pytest.mark.parametrize(
    ("table", "more", "message"),
    [
        ("revenue_by_dya", {}, "there is no table revenue_by_dya; did you mean revenue_by_day"),
        ("order_pages", {}, "there is no table order_pages"),
        ("raw.revenue_by_day", {}, "there is no table raw.revenue_by_day"),
        ("ops.accounts", {}, "there is no table ops.accounts"),
        ("revenue_by_day", {"columns": ["net_sale"]}, "no column net_sale; did you mean net_sales"),
        ("dim_customer", {"columns": ["email_hmac"]}, "no column email_hmac"),
        ("revenue_by_day", {"store": "nowhere"}, "there is no store nowhere; there are: "),
        ("customer_totals", {"since": date(2026, 1, 1)}, "customer_totals cannot be selected by since"),
        ("repeat_rate", {"store": "scalev|unknown"}, "there is no store scalev|unknown"),
    ],
)
def test_what_cannot_be_selected_is_said(table: str, more: dict[str, object], message: str, engine: sa.Engine) -> None:
    """Without it, a typo would give an empty file, and the ledger or contact pseudonyms could be read."""
    with pytest.raises(SelectionError) as caught:
        order_assets.read(table, database_url=_url(engine), **more)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_database_that_was_never_filled_is_named(empty_url: str) -> None:
    """Without it, a first try in a notebook would end in a traceback of the driver."""
    with pytest.raises(WarehouseError, match="make run"):
        order_assets.read("revenue_by_day", database_url=empty_url)


def test_all_files_appear_or_none(reported: sa.Engine, tmp_path: Path) -> None:
    """Without it, a dashboard could read half a file, or files of two different moments."""
    old = tmp_path / "revenue_by_day.csv"
    old.write_text("as before", encoding="utf-8")
    (tmp_path / "in_the_way").write_text("", encoding="utf-8")
    targets = {old: find("revenue_by_day"), tmp_path / "in_the_way" / "orders.csv": find("orders")}
    with pytest.raises(OSError, match="in_the_way"):
        export(reported, targets, "csv", EVERYTHING)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in_the_way", "revenue_by_day.csv"]
    with pytest.raises(SelectionError, match="is a folder"):
        export(reported, {old: find("revenue_by_day"), tmp_path: find("orders")}, "csv", EVERYTHING)
    assert old.read_text(encoding="utf-8") == "as before"


def test_all_tables_show_one_moment_and_nothing_can_be_written(reported: sa.Engine) -> None:
    """Without it, a load between two tables would let an export's orders and revenue disagree."""
    count = sa.text("select count(*) from marts.order_facts")
    with snapshot(reported) as connection:
        before = connection.execute(count).scalar_one()
        do(reported, "delete from marts.order_facts")
        assert connection.execute(count).scalar_one() == before > 0
        with pytest.raises(sa.exc.InternalError, match="read-only"):
            connection.execute(sa.text("delete from marts.order_facts"))


_MEASURE = """
import resource, sys
import pyarrow as pa, sqlalchemy as sa
from order_assets.warehouse import arrow
from order_assets.warehouse.engine import connect
engine = connect(sys.argv[1])
schema = pa.schema([("i", pa.int64()), ("words", pa.string())])
query = sa.select(sa.column("i"), sa.literal_column("repeat('x', 200)").label("words")).select_from(
    sa.text(f"generate_series(1, {sys.argv[2]}) as s (i)"))
with engine.connect() as connection:
    rows = sum(piece.num_rows for piece in arrow.pieces(connection, query, schema))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_rows(database_url: str) -> None:
    """Without it, the export of a large table would take all memory of a small machine."""

    def measured(count: int) -> tuple[int, int]:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _MEASURE, database_url, str(count)], capture_output=True, text=True, check=True
        )
        found, megabytes = done.stdout.split()
        return int(found), int(megabytes)

    few, low = measured(50_000)
    many, high = measured(500_000)  # 100 MB of text
    assert (few, many) == (50_000, 500_000)
    assert high - low < 40


def test_a_type_without_an_exact_counterpart_is_refused(engine: sa.Engine) -> None:
    """Without it, a float column added one day would be exported as if it were exact."""
    with engine.connect() as connection, pytest.raises(TypeError, match=r"rate: .*no exact Arrow type"):
        arrow.arrow_schema(connection, sa.select(sa.literal_column("1::float8").label("rate")), {})

"""COPY is exact whatever the text and however large the amount, and the tables refuse wrong money."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from order_assets.domain import ktsp, scalev
from order_assets.domain.columns import MONEY, TEXT, series
from order_assets.domain.recognition import Policy
from order_assets.sandbox.world import World
from order_assets.warehouse.copying import begun, copy_all
from order_assets.warehouse.load import FactsLoad, prepare
from order_assets_tests.warehouse.parts import SPEC, do, load_world, page_of, rows, summarise_all

AWKWARD = [
    "", " ", '"', '""', "'", ",", "a,b", "\n", "\r\n", "\r", "\\", "\\N", "\\.", "\n\\.\n", "a\n\\.\nb", "NULL", "null",
    "\t", "{a,b}", "$1", ":name", "%s", "é", "日本語", "🧾", "\u202eabc\u202c", "\u200b", "\ufeff", "\x01\x1f\x7f",
    "a\u0301", "x" * 300_000, '"\n,' * 1000,
]  # fmt: skip
LIMIT = Decimal("9999999999999999.9999")


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    return sa.Table(name, sa.MetaData(), *columns)


def _round_trip(engine: sa.Engine, table: sa.Table, *frames: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Copy frames into a fresh table and read it back in the order of its first column."""
    with engine.begin() as connection, ThreadPoolExecutor(1) as worker:
        table.create(connection)
        copy_all(connection, begun(worker, ((table, frame) for frame in frames)))
        found = [tuple(row) for row in connection.execute(sa.select(table).order_by(table.c[0]))]
        table.drop(connection)
    return found


def _texts(values: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({"id": series(pa.array(range(len(values)))), "value": series(pa.array(values, pa.string()))})


def _text_table() -> sa.Table:
    return _table("texts", sa.Column("id", sa.Integer()), sa.Column("value", sa.Text()))


def test_awkward_text_arrives_as_it_was(engine: sa.Engine) -> None:
    """Without it, a quote or a line break in a name could shift every column after it."""
    values = [*AWKWARD, None, "end"]
    assert _round_trip(engine, _text_table(), _texts(values)) == list(enumerate(values))


@pytest.fixture(scope="module")
def shared_engine(template: str) -> sa.Engine:
    """An engine on the template, for a test with many examples that leaves nothing behind."""
    return sa.create_engine(sa.make_url(template).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)


_any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(st.none() | _any_text, max_size=20))
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_text_arrives_as_it_was(shared_engine: sa.Engine, values: list[str | None]) -> None:
    """Without it, some text that nobody thought of could still break the load."""
    assert _round_trip(shared_engine, _text_table(), _texts(values)) == list(enumerate(values))


def test_empty_parts_of_a_frame_write_nothing(engine: sa.Engine) -> None:
    """Without it, stale bytes would be sent for them: pyarrow's writer repeats its buffer for an empty chunk."""
    parts = [_texts([]), _texts(["one"]), _texts([]), _texts([]), _texts(["two"]), _texts([])]
    frame = pd.concat(parts, ignore_index=True)
    frame["id"] = series(pa.array([0, 1]))
    assert _round_trip(engine, _text_table(), frame, _texts([])) == [(0, "one"), (1, "two")]


def test_amounts_are_exact_up_to_the_limits(engine: sa.Engine) -> None:
    """Without it, a large amount could pass through a float and lose its cents."""
    values = [LIMIT, -LIMIT, Decimal("0.0001"), Decimal("-0.0001"), Decimal(0), Decimal("0.1000"), None]
    frame = pd.DataFrame({
        "id": series(pa.array(range(len(values)))), "value": pd.Series(values, dtype=MONEY),
    })  # fmt: skip
    table = _table("amounts", sa.Column("id", sa.Integer()), sa.Column("value", sa.Numeric(20, 4)))
    assert _round_trip(engine, table, frame) == list(enumerate(values))


def test_instants_dates_and_arrays_arrive_exactly(engine: sa.Engine) -> None:
    """Without it, a time could lose its microseconds or move by the server's zone."""
    instant = datetime(2026, 3, 29, 1, 30, 0, 123_456, tzinfo=UTC)
    frame = pd.DataFrame({
        "at": series(pa.array([instant], pa.timestamp("us", "UTC"))),
        "day": series(pa.array([date(2000, 2, 29)])),
        "codes": pd.Series(["{a,b:c}"], dtype=TEXT),
        "flag": series(pa.array([False])),
    })  # fmt: skip
    table = _table(
        "moments",
        sa.Column("at", sa.TIMESTAMP(timezone=True)),
        sa.Column("day", sa.Date()),
        sa.Column("codes", sa.ARRAY(sa.Text())),
        sa.Column("flag", sa.Boolean()),
    )
    assert _round_trip(engine, table, frame) == [(instant, date(2000, 2, 29), ["a", "b:c"], False)]


def test_columns_of_the_frame_may_come_in_any_order(engine: sa.Engine) -> None:
    """Without it, a new column in the derivation could land in its neighbour."""
    frame = _texts(["v"])[["value", "id"]].assign(unknown="not a column")
    assert _round_trip(engine, _text_table(), frame) == [(0, "v")]


# What the tables refuse

_WRONG = {
    "payment by a cent": "payment_amount = payment_amount + 0.01",
    "residual by a cent": "residual_amount = residual_amount - 0.01",
    "net sales by the last digit": "net_sales_amount = net_sales_amount + 0.0001",
    "shipping by a cent": "net_shipping_amount = net_shipping_amount + 0.01",
    "discount classes": "promo_discount_amount = promo_discount_amount + 1",
    "money without currency": "currency_code = 'XXX'",
    "a currency in lower case": "currency_code = 'idr'",
    "reportable without money": "net_sales_amount = null",
    "a reason for reportable money": "excluded_reason = 'bad_amount'",
    "withheld money that is there": "is_money_reportable = false, excluded_reason = 'bad_amount'",
    "lost without a kind": "recognition_state = 'lost', lost_kind = null",
    "a kind without loss": "recognition_state = 'open', lost_kind = 'rts'",
    "an unknown state": "order_state = 'new'",
    "an unknown source": "source_system = 'shopify'",
    "no store": "store_key = 'scalev|nowhere'",
    "no customer": "customer_key = 'nobody'",
    "another key for the same order": (
        "source_order_id = (select min(o.source_order_id) from marts.order_facts as o"
        " where o.source_account = f.source_account)"
    ),
}


@pytest.mark.parametrize("change", _WRONG.values(), ids=_WRONG)
def test_wrong_money_is_refused_by_the_table(change: str, followed: sa.Engine) -> None:
    """Without it, a bug in the derivation or a manual update could publish wrong sums."""
    one = (
        "select order_key from marts.order_facts where recognition_state = 'recognised' and is_money_reportable"
        " and source_system = 'scalev' order by source_order_id desc limit 1"
    )
    with pytest.raises(sa.exc.IntegrityError):
        do(followed, f"update marts.order_facts as f set {change} where order_key = ({one})")  # noqa: S608 - literals of this file


def test_deleting_an_order_takes_its_parts_along(followed: sa.Engine) -> None:
    """Without it, forgetting a person would leave discounts and times behind."""
    assert rows(followed, "select 1 from marts.discount_facts limit 1") != []
    do(followed, "delete from marts.order_facts")
    for table in ("marts.order_lifecycle", "marts.discount_facts", "ops.order_lineage"):
        assert rows(followed, f"select count(*) as n from {table}") == [{"n": 0}]  # noqa: S608 - literals of this file


def test_a_load_that_fails_leaves_nothing(engine: sa.Engine) -> None:
    """Without it, half a batch could be published."""
    world = World(SPEC)
    frames = ktsp.derive([page_of(world, world.members[1].account)], None, "k")  # type: ignore[arg-type]  # unused there
    frames.orders["payment_amount"] = frames.orders["discount_amount"]

    def load_wrong_money() -> None:
        with engine.begin() as connection:
            load = FactsLoad(connection)
            load.add(prepare(frames))
            load.merge([1], "r")

    with pytest.raises(sa.exc.IntegrityError):
        load_wrong_money()
    assert rows(engine, "select count(*) as n from marts.dim_customer") == [{"n": 0}]


def test_two_loads_take_turns(engine: sa.Engine) -> None:
    """Without it, two loads at once could number a customer's orders from different states."""
    with engine.begin() as connection:
        FactsLoad(connection)
        with engine.connect() as other:
            got = other.execute(sa.text("select pg_try_advisory_xact_lock(7205102)")).scalar_one()
    assert got is False


def test_stores_keep_their_last_names(engine: sa.Engine) -> None:
    """Without it, a page without names would turn a shop into its code."""
    world = World(SPEC)
    account = world.members[1].account
    load_world(engine, world, [account])
    named = rows(engine, "select * from marts.dim_store where name_en is not null order by 1")
    code = named[0]["source_store_id"]
    for order in world.orders(account):
        if order["storeCode"] == code:
            world.change_order(
                account, order["orderCode"], {"storeNameEn": None, "storeNameSc": " ", "storeNameTc": "新名"}
            )
    load_world(engine, world, [account])
    (row,) = rows(engine, "select * from marts.dim_store where source_store_id = :code", code=code)
    assert (row["name_en"], row["name_sc"], row["name_tc"]) == (named[0]["name_en"], named[0]["name_sc"], "新名")
    stores = {order["storeCode"] for order in world.orders(account)}
    assert rows(engine, "select count(*) as n from marts.dim_store") == [{"n": len(stores)}]


def test_a_load_reads_only_the_orders_it_needs(engine: sa.Engine) -> None:
    """Without it, each batch could read all facts, and ten times the orders take a hundred times as long.

    An account is sent again, changed, when there are no statistics yet and months are published already.
    """
    world = World(SPEC)
    load_world(engine, world)
    summarise_all(engine)
    account = world.accounts[0]
    world.change_order(account, world.orders(account)[0]["order_id"], {"orderlines": []})
    page = page_of(world, account, crawl_id=1_000)

    def read() -> int:
        seen = "select seq_tup_read from pg_stat_xact_user_tables where relid = 'marts.order_facts'::regclass"
        return int(connection.execute(sa.text(seen)).scalar_one())

    with engine.begin() as connection:
        before = read()
        load = FactsLoad(connection)
        load.add(prepare(scalev.derive([page], Policy(), "test")))
        counts = load.merge([page.crawl_id], "run-2")
        assert read() == before
    assert counts.orders_changed == 1

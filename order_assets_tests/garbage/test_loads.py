"""Generated pages through the real statements of PostgreSQL: what the domain lets pass, tables and summaries take."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import date
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_assets.domain import ktsp, scalev
from order_assets.domain.pages import Frames
from order_assets.domain.recognition import Policy
from order_assets.warehouse.load import FactsLoad, prepare
from order_assets.warehouse.summaries import MONTHLY_TABLES, WHOLE_TABLES, stale_months, summarise, summarise_whole
from order_assets_tests.factories import ktsp_order, ktsp_page, member_page, page, scalev_order, scalev_page
from order_assets_tests.garbage.test_properties import KTSP_ORDERS, SCALEV_ORDERS

_POLICY = Policy(store_email_phone_hmac=True, store_geography=True)


@settings(
    max_examples=int(os.environ.get("ORDER_ASSETS_TEST_LOADS", "12")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(SCALEV_ORDERS, max_size=4), st.lists(KTSP_ORDERS, max_size=4))
def test_every_odd_order_can_be_loaded_and_summed(
    engine: sa.Engine, scalev_orders: list[dict[str, Any]], ktsp_orders: list[dict[str, Any]]
) -> None:
    """Without it one odd field could cost an account its load, or everybody a summary, at every run from then on."""
    frames = [
        scalev.derive([page(scalev_page(scalev_orders))], _POLICY, "key"),
        ktsp.derive([member_page(ktsp_page(ktsp_orders), crawl_id=2)], _POLICY, "key"),
    ]
    _load_and_sum(engine, frames)


_LONG = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(128))  # not to be compressed, as an index would


def _with_a_long_text(value: Any) -> Iterator[Any]:
    """Yield copies of a JSON value in which one text, each in turn, is longer than an entry of an index may be."""
    if isinstance(value, str):
        yield _LONG
        yield f"{value}{_LONG}"
    elif isinstance(value, dict):
        for name in value:
            yield from ({**value, name: odd} for odd in _with_a_long_text(value[name]))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from ([*value[:number], odd, *value[number + 1 :]] for odd in _with_a_long_text(item))


def test_no_text_is_too_long_for_a_table(engine: sa.Engine) -> None:
    """Without it one order with an absurd id, code or status would cost its account every order, or all a summary."""
    customer = {"id": "101", "name": "n", "email": "a@b.example", "phone": "+6281234567890"}
    history = [{"status": "pending", "at": "2025-01-29T20:28:08Z", "by": "x"}]
    full = scalev_order(
        customer=customer, discount_code_code="CODE", other_income_name="fee", status_history=history,
        courier_service={"code": "c", "name": "n"}, sub_payment_method="s", awb_status="a", shipment_status="s",
    )  # fmt: skip
    orders = [{"order_id": f"o{number}", **odd} for number, odd in enumerate(_with_a_long_text(full))]
    for number, order in enumerate(orders):  # those whose own id is not the long one have one each
        order["order_id"] = order["order_id"] if _LONG in order["order_id"] else f"o{number}"
    members = list(_with_a_long_text(ktsp_order()))
    for number, order in enumerate(members):
        order["orderCode"] = order["orderCode"] if _LONG in order["orderCode"] else f"m{number}"
    frames = [
        scalev.derive([page(scalev_page(orders))], _POLICY, "key"),
        ktsp.derive([member_page(ktsp_page(members), crawl_id=2)], _POLICY, "key"),
    ]
    assert [len(each.orders) for each in frames] == [len(orders), len(members)]
    _load_and_sum(engine, frames)


def _load_and_sum(engine: sa.Engine, frames: list[Frames]) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        load = FactsLoad(connection)
        for each in frames:
            load.add(prepare(each))
        load.merge([1, 2], "run")
        keys = {key for each in frames for key in each.orders["order_key"]}
        assert set(connection.execute(sa.text("select order_key from marts.order_facts")).scalars()) == keys
        for table in MONTHLY_TABLES:
            months = stale_months(connection, table)
            if months:
                summarise(connection, table, months[0], months[-1], "run")
        for table in WHOLE_TABLES:
            summarise_whole(connection, table, date(2026, 6, 1), "run")
        transaction.rollback()

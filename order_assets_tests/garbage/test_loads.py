"""Generated pages through the real statements of PostgreSQL: what the domain lets pass, tables and summaries take."""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_assets.domain import ktsp, scalev
from order_assets.domain.recognition import Policy
from order_assets.warehouse.load import FactsLoad
from order_assets.warehouse.summaries import MONTHLY_TABLES, WHOLE_TABLES, stale_months, summarise, summarise_whole
from order_assets_tests.factories import ktsp_page, member_page, page, scalev_page
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
    with engine.connect() as connection, connection.begin() as transaction:
        load = FactsLoad(connection)
        for each in frames:
            load.add(each)
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

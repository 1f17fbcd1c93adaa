"""Restatements: which published months a load changed, by how much, and because of which orders."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from order_assets.sandbox.testing import RunningSandbox
from order_assets.warehouse import rebuild, restatements
from order_assets.warehouse.restatements import Restatement
from order_assets_tests.crawl.parts import Installation

METRICS = {"net_sales_amount", "payment_amount", "discount_amount", "orders_recognised"}


def publish(installation: Installation) -> None:
    """Recompute every summary."""
    with installation.engine.begin() as connection:
        rebuild.summarise_all(connection, "run-s")


def listed(installation: Installation, since: datetime | None = None) -> list[Restatement]:
    """Return what was noted."""
    with installation.engine.connect() as connection:
        return restatements.listed(connection, since)


def _published(installation: Installation) -> None:
    installation.crawl()
    installation.load()
    publish(installation)


def _sum(installation: Installation, period: date, store_key: str, metric: str) -> Decimal:
    (row,) = installation.rows(
        f"select coalesce(sum({metric}), 0) as value from marts.revenue_daily"  # noqa: S608 - a name of this file
        " where date_trunc('month', order_date) = :period and store_key = :store_key",
        period=period,
        store_key=store_key,
    )
    return Decimal(row["value"])


def test_a_first_publication_is_no_restatement(installation: Installation) -> None:
    """Without it, the first run would report every month of history as changed."""
    installation.crawl()
    installation.load()
    assert listed(installation) == []
    publish(installation)
    installation.crawl(run_id="run-2")
    installation.load("run-2")
    assert listed(installation) == [], "nothing changed"


def test_a_changed_amount_names_the_order_and_both_values(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a number in a report could change and nobody could say why."""
    _published(installation)
    account = sandbox.world.members[0].account
    order = sandbox.world.orders(account)[0]
    (fact,) = installation.rows(
        "select * from marts.order_facts where source_order_id = :id", id=order["orderCode"]
    )  # fmt: skip
    period = fact["order_date"].replace(day=1)
    before = _sum(installation, period, fact["store_key"], "payment_amount")
    more = fact["payment_amount"] + Decimal("12.50")
    sandbox.world.change_order(account, order["orderCode"], {"paymentAmount": str(more)})
    started = datetime.now(UTC)
    crawl = installation.crawl((account,), run_id="run-2")[account]
    installation.load("run-2")
    (found,) = listed(installation)
    assert (found.period, found.store_key, found.metric) == (period, fact["store_key"], "payment_amount")
    assert (found.old_value, found.new_value, found.difference) == (before, before + Decimal("12.50"), Decimal("12.50"))
    assert (found.order_keys, found.order_count, found.crawl_id) == ((fact["order_key"],), 1, crawl.crawl_id)
    publish(installation)
    assert _sum(installation, period, fact["store_key"], "payment_amount") == found.new_value
    assert listed(installation, since=started) == [found]
    assert listed(installation, since=datetime.now(UTC) + timedelta(seconds=1)) == []


def test_the_values_of_several_crawls_form_a_chain(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, two changes of a month in one load would both claim the whole difference."""
    _published(installation)
    first, second = sandbox.world.members[0].account, sandbox.world.members[1].account
    when = datetime(2026, 3, 10, tzinfo=UTC)
    orders = [sandbox.world.add_order(account, when) for account in (first, second)]
    for account, order in zip((first, second), orders, strict=True):
        sandbox.world.change_order(
            account,
            order["orderCode"],
            {"storeCode": "SHARED", "originalAmount": "100", "discountAmount": "0", "paymentAmount": "100"},
        )
    for account in (first, second):
        installation.crawl((account,), run_id="run-2")
    installation.load("run-2")
    found = [row for row in listed(installation) if row.store_key == "ktsp|SHARED" and row.metric == "payment_amount"]
    assert [(row.old_value, row.new_value) for row in found] == [
        (Decimal(0), Decimal(100)),
        (Decimal(100), Decimal(200)),
    ]
    assert found[0].crawl_id != found[1].crawl_id
    counts = [row for row in listed(installation) if row.metric == "orders_recognised" and row.order_count == 1]
    assert len(counts) >= 2


def test_an_order_that_moves_restates_both_months(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the month that an order left would change without a word."""
    _published(installation)
    account = sandbox.world.members[0].account
    (other,) = installation.rows("select min(order_date) as d from marts.order_facts where source_system = 'ktsp'")
    order = sandbox.world.orders(account)[0]
    when = datetime(other["d"].year, other["d"].month, 15, tzinfo=UTC)
    sandbox.world.change_order(account, order["orderCode"], {"orderTime": when.isoformat()})
    installation.crawl((account,), run_id="run-2")
    installation.load("run-2")
    counts = [row for row in listed(installation) if row.metric == "orders_recognised"]
    assert sorted(row.difference for row in counts) == [-1, 1]
    assert len({row.order_keys for row in counts}) == 1
    assert {row.metric for row in listed(installation)} <= METRICS


def test_an_order_that_vanishes_names_the_crawl_that_missed_it(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, a deletion at the source would lower a month and point to the crawl that once brought the order."""
    _published(installation)
    account = sandbox.world.members[0].account
    order = sandbox.world.orders(account)[0]
    sandbox.world.delete_order(account, order["orderCode"])
    crawl = installation.crawl((account,), run_id="run-2")[account]
    assert len(crawl.vanished) == 1
    installation.load("run-2")
    found = {row.metric: row for row in listed(installation)}
    assert found["orders_recognised"].difference == -1
    assert found["orders_recognised"].crawl_id == crawl.crawl_id

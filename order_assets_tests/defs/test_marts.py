"""Facts and summaries as Dagster runs, with their checks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import dagster as dg
import sqlalchemy as sa

from order_assets.defs.automation import month_range
from order_assets.defs.marts.tables import mart
from order_assets.warehouse import summaries
from order_assets.warehouse.engine import AT_WORK_LOCK
from order_assets_tests.crawl.crawling_process import until
from order_assets_tests.defs.conftest import Installation


def materialized(result: dg.ExecuteInProcessResult, name: str) -> dict[str, object]:
    """Return the metadata of the only materialization of a mart in a run."""
    (event,) = [event for event in result.get_asset_materialization_events() if event.asset_key == mart(name)]
    return {key: value.value for key, value in event.step_materialization_data.materialization.metadata.items()}


def test_facts_hold_every_order_once(installation: Installation) -> None:
    """The pages of a crawl become exactly the orders of the source, and the UI shows how many."""
    installation.run("refresh_orders")
    result = installation.run("load_facts")
    assert result.success
    world = installation.sandbox.world
    orders = sum(len(world.orders(account)) for account in world.accounts)
    assert installation.scalar("select count(*) from marts.order_facts") == orders
    shown = materialized(result, "order_facts")
    assert (shown["dagster/row_count"], shown["orders new"], shown["orders changed"]) == (orders, orders, 0)


def test_a_second_refresh_changes_nothing(installation: Installation) -> None:
    """A refresh without news must not rewrite rows: unchanged rows keep their version in PostgreSQL."""
    versions = (
        "select md5(string_agg(t.xmin::text || t.ctid::text, ',' order by t.order_key)) from marts.order_facts as t"
    )
    for _ in range(2):
        installation.run("refresh_orders")
        installation.run("load_facts")
        summarise_stale(installation)
    before = installation.scalar(versions), installation.scalar("select sum(net_sales_amount) from marts.revenue_daily")
    installation.run("refresh_orders")
    shown = materialized(installation.run("load_facts"), "order_facts")
    assert (shown["orders new"], shown["orders changed"], shown["months touched"]) == (0, 0, "none")
    assert before == (
        installation.scalar(versions),
        installation.scalar("select sum(net_sales_amount) from marts.revenue_daily"),
    )


def test_a_run_on_a_database_of_a_newer_release_fails_with_the_reason(installation: Installation) -> None:
    """Without it, a daemon that was left on the old release would go on writing after the upgrade of another."""
    with installation.engine.begin() as connection:
        connection.execute(sa.text("update ops.alembic_version set version_num = '9999'"))
    result = installation.run("load_facts")
    assert not result.success
    (failure, *_) = result.get_step_failure_events()
    assert failure.step_failure_data.error is not None
    assert "schema 9999, which this release does not know" in failure.step_failure_data.error.to_string()


def test_a_run_that_began_during_a_migration_fails_with_the_reason(installation: Installation) -> None:
    """Without it, a run that had opened the database just before an upgrade would work on tables it does not know."""
    migrating = installation.engine.connect()
    migrating.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": AT_WORK_LOCK})
    migrating.execute(sa.text("update ops.alembic_version set version_num = '9999'"))
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"

    def end_the_migration() -> None:
        until(lambda: installation.scalar(waiting), "the run waits")
        migrating.commit()

    with ThreadPoolExecutor(1) as pool, migrating:
        ended = pool.submit(end_the_migration)
        result = installation.run("load_facts")
        ended.result()
    assert not result.success
    (failure, *_) = result.get_step_failure_events()
    assert failure.step_failure_data.error is not None
    assert "schema 9999, which this release does not know" in failure.step_failure_data.error.to_string()
    held = "select count(*) from pg_locks where locktype = 'advisory'"
    until(lambda: not installation.scalar(held), "the server frees the locks of the session that was closed")


def test_summaries_of_touched_months_tie_to_facts(installation: Installation) -> None:
    """The daily summary equals the facts to the last digit once its stale months were recomputed."""
    installation.run("refresh_orders")
    installation.run("load_facts")
    assert summarise_stale(installation)
    with installation.engine.connect() as connection:
        assert not [m for name in summaries.MONTHLY_TABLES for m in summaries.stale_months(connection, name)]
    in_facts = "select sum(payment_amount) from marts.order_facts where revenue_class = 'recognised'"
    in_days = "select sum(payment_amount) from marts.revenue_daily"
    assert installation.scalar(in_facts) == installation.scalar(in_days)


def test_a_failed_account_does_not_hold_up_the_others(installation: Installation) -> None:
    """Facts of the good accounts are loaded although the crawl's run failed."""
    account = installation.sandbox.world.accounts[0]
    installation.sandbox.set_fault(account, "server_error")
    assert not installation.run("refresh_orders").success
    assert installation.run("load_facts").success
    world = installation.sandbox.world
    expected = sum(len(world.orders(a)) for a in world.accounts if a != account)
    assert installation.scalar("select count(*) from marts.order_facts") == expected


def test_a_violated_check_fails_the_run_and_names_the_rows(installation: Installation) -> None:
    """A blocking check that passed over a planted defect could not protect published sums."""
    installation.run("refresh_orders")
    installation.run("load_facts")
    with installation.engine.begin() as connection:
        (key,) = connection.execute(
            sa.text(
                "update marts.discount_facts set amount = amount + 0.01 where order_key ="
                " (select min(order_key) from marts.discount_facts) returning order_key"
            )
        ).scalars().all()[:1]  # fmt: skip
        connection.execute(sa.text("select pg_stat_force_next_flush()"))  # a session at rest does so after ten seconds
    result = installation.run("load_facts")
    assert not result.success
    (evaluation,) = [e for e in result.get_asset_check_evaluations() if not e.passed and e.blocking]
    assert (evaluation.check_name, evaluation.severity) == ("discounts_tie_to_orders", dg.AssetCheckSeverity.ERROR)
    assert evaluation.metadata["examples"].value == [key]
    assert (evaluation.metadata["failing"].value, evaluation.metadata["total"].value) == (
        1,
        installation.scalar("select count(*) from marts.order_facts"),
    )


def test_a_warning_holds_up_nothing(installation: Installation) -> None:
    """Without it, an odd order at the source would stop the facts of all the others."""
    installation.run("refresh_orders")
    result = installation.run("load_facts")
    assert result.success
    warned = {e.check_name: e for e in result.get_asset_check_evaluations() if not e.passed}
    assert warned["residual_is_zero"].severity is dg.AssetCheckSeverity.WARN
    assert not any(evaluation.blocking for evaluation in warned.values())


def summarise_stale(installation: Installation) -> bool:
    """Recompute all stale months in one range; return whether there were any."""
    with installation.engine.connect() as connection:
        months: list[date] = summaries.stale_months(connection, "revenue_daily")
    if months:
        assert installation.run("summarise_months", tags=month_range(months[0], months[-1])).success
    return bool(months)

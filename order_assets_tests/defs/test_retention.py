"""What is deleted by age, on a real Dagster storage: what is gone showed nothing, what shows something stays."""

from __future__ import annotations

import dagster as dg
import sqlalchemy as sa

from order_assets.defs.marts.tables import mart
from order_assets.defs.raw.order_pages import KTSP_PAGES, SCALEV_PAGES
from order_assets_tests.defs.conftest import Installation
from order_assets_tests.defs.test_raw import colours


def _events(stored: Installation) -> int:
    count = stored.scalar("select count(*) from dagster.event_logs")
    assert isinstance(count, int)
    return count


def _latest(stored: Installation, key: dg.AssetKey, partition: str) -> object:
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
    (record,) = stored.instance.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def _grow_older(stored: Installation) -> None:
    with stored.engine.begin() as connection:
        connection.execute(sa.text("update dagster.runs set update_timestamp = update_timestamp - interval '31 days'"))
        connection.execute(
            sa.text(
                "update dagster.asset_check_executions set create_timestamp = create_timestamp - interval '31 days'"
            )
        )


def test_only_what_shows_nothing_is_deleted(stored: Installation) -> None:
    """Without it, storage would grow for ever; or a purge would turn partitions grey and empty their pages."""
    bad = stored.sandbox.world.accounts[1]
    stored.run("refresh_orders")
    stored.sandbox.set_fault(bad, "sign_in_needed")
    for _ in range(2):
        stored.run("refresh_orders")
        stored.run("load_facts")
    good = stored.sandbox.world.accounts[-1]
    before = [colours(stored, SCALEV_PAGES), colours(stored, KTSP_PAGES)], _latest(stored, KTSP_PAGES, good)
    assert before[0][0][bad] == "FAILED"
    events = _events(stored)
    checks = stored.scalar("select count(distinct (asset_key, check_name)) from dagster.asset_check_executions")

    assert stored.run("purge_dagster_history").success
    assert _events(stored) >= events, "nothing is old yet"

    _grow_older(stored)
    assert stored.run("purge_dagster_history").success
    after = [colours(stored, SCALEV_PAGES), colours(stored, KTSP_PAGES)], _latest(stored, KTSP_PAGES, good)
    assert after == before
    assert _events(stored) < events / 2
    accounts = len(stored.sandbox.world.accounts)
    kept = stored.scalar(
        "select count(*) from dagster.event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'"
        """ and asset_key like '["raw"%'"""
    )
    assert kept == accounts, "one each, also of the account that failed since"
    assert stored.scalar("select count(*) from dagster.asset_check_executions") == checks
    facts = stored.instance.get_latest_materialization_event(mart("order_facts"))
    assert facts is not None
    assert stored.scalar("select count(*) from dagster.event_logs where partition is not null") != 0


def test_runs_without_events_go_and_others_stay(stored: Installation) -> None:
    """Without it, the list of runs would only ever get longer, or link to runs that are gone."""
    for _ in range(3):
        stored.run("refresh_orders")
    _grow_older(stored)
    assert stored.run("purge_dagster_history").success
    runs = stored.instance.get_runs(dg.RunsFilter(job_name="refresh_orders"))
    assert len(runs) == 1, "the one that made every partition what it is"
    assert stored.run("refresh_orders").success, "and the work goes on"


def test_raw_pages_go_as_the_policy_says(installation: Installation) -> None:
    """Without it, `raw_retention_days` would be read and do nothing."""
    kept = "select count(*) filter (where octet_length(body) > 0) from raw.order_pages"
    installation.run("refresh_orders")
    installation.run("load_facts")
    pages = installation.scalar(kept)
    assert installation.run("purge_raw_pages").success
    assert installation.scalar(kept) == pages, "nothing is old yet"
    with installation.engine.begin() as connection:
        connection.execute(sa.text("update ops.crawls set finished_at = finished_at - interval '8 days'"))
    with installation.accounts_file.open("a", encoding="utf-8") as file:
        file.write("\n[policy]\nraw_retention_days = 7\n")
    done = installation.run("purge_raw_pages")
    assert done.success
    assert installation.scalar(kept) == 0
    metadata = next(e for e in done.all_events if e.event_type_value == "STEP_OUTPUT").event_specific_data.metadata  # type: ignore[union-attr]  # of this event it is an output
    assert metadata["pages deleted"].value == pages

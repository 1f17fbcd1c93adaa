"""What people see of a mart in the UI after a step: pictures, previews, row counts, the report."""

from __future__ import annotations

import dagster as dg
import pytest

from order_assets.defs.marts.facts import TABLES
from order_assets.defs.marts.shown import shown
from order_assets.defs.marts.tables import mart
from order_assets.warehouse.summaries import MONTHLY_TABLES, WHOLE_TABLES
from order_assets_tests.defs.conftest import Installation
from order_assets_tests.defs.test_marts import summarise_stale

_PLOTS = {
    "order_facts", "revenue_monthly", "revenue_daily", "discount_by_kind_monthly", "customer_cohort_monthly",
    "lifecycle_monthly",
}  # fmt: skip
# The UI of Dagster 1.13 shows shorter Markdown at once, and longer behind a click.
_SHOWN_AT_ONCE = 1000


def newest(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, dg.MetadataValue]]:
    """Return the metadata of the last materialization of each mart in a run, which is what the UI opens with."""
    return {
        event.asset_key.path[-1]: dict(event.step_materialization_data.materialization.metadata)
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


@pytest.fixture
def loaded(installation: Installation) -> dict[str, dict[str, dg.MetadataValue]]:
    """Everything once: what each mart shows."""
    found: dict[str, dict[str, dg.MetadataValue]] = {}
    installation.run("refresh_orders")
    found |= newest(installation.run("load_facts"))
    tags = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2026-12-01"}
    found |= newest(installation.run("summarise_months", tags=tags))
    found |= newest(installation.run("summarise_all"))
    return found


def test_every_mart_shows_its_rows_and_plots_where_looking_is_quicker(
    loaded: dict[str, dict[str, dg.MetadataValue]],
) -> None:
    """Without it, a mart would be a name and a number, and nobody would notice that its sums went astray."""
    assert set(loaded) == {*TABLES, *MONTHLY_TABLES, *WHOLE_TABLES, "revenue_daily_dense"}
    for name, metadata in loaded.items():
        assert isinstance(metadata["dagster/row_count"], dg.IntMetadataValue), name
        table = metadata["preview"]
        assert isinstance(table, dg.TableMetadataValue), name
        assert 0 < len(table.records) <= 8, name
        assert ("plot" in metadata) is (name in _PLOTS), name
        assert "report" not in metadata, "a link to a file that is not there"
    for name in _PLOTS:
        plot = loaded[name]["plot"]
        assert isinstance(plot, dg.MarkdownMetadataValue)
        text = plot.md_str or ""
        assert text.startswith("![")
        assert "](<data:image/svg+xml,%3Csvg" in text
        assert "No data yet" not in text
        assert len(text) < 60_000
    for name in ("revenue_daily", "revenue_monthly"):
        for currency in ("HKD", "IDR"):
            glance = loaded[name][f"net sales {currency}"]
            assert isinstance(glance, dg.MarkdownMetadataValue)
            assert len(glance.md_str or "") < _SHOWN_AT_ONCE


def test_a_range_of_months_is_drawn_once(installation: Installation) -> None:
    """Without it, each month of a range would store the same picture again, for ever."""
    installation.run("refresh_orders")
    installation.run("load_facts")
    assert summarise_stale(installation)
    result = installation.run(
        "summarise_months",
        tags={"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-06-01"},
    )
    for name in MONTHLY_TABLES:
        events = [e for e in result.get_asset_materialization_events() if e.asset_key == mart(name)]
        drawn = {e.partition for e in events if "preview" in e.step_materialization_data.materialization.metadata}
        assert len(events) == 6
        assert drawn == {"2026-06-01"}


def test_nothing_shown_is_about_one_person(
    installation: Installation, loaded: dict[str, dict[str, dg.MetadataValue]]
) -> None:
    """Without it, what a person ordered would stay in Dagster's events after they were forgotten."""
    keys: set[str] = set()
    for column in ("order_key", "customer_key", "source_order_id"):
        listed = installation.scalar(f"select string_agg(distinct {column}, ' ') from marts.order_facts")  # noqa: S608 - our columns
        keys |= set(str(listed).split())
    seen = {name: repr(metadata) for name, metadata in loaded.items()}
    assert not [(name, key) for name, text in seen.items() for key in keys if key in text]


def test_accounts_that_failed_are_on_the_first_page(installation: Installation) -> None:
    """Without it, a person would have to open each red partition to learn that all have the same reason."""
    installation.run("refresh_orders")
    installation.sandbox.set_fault(installation.sandbox.world.accounts[0], "server_error")
    installation.run("refresh_orders")
    with installation.engine.connect() as connection:
        seen = shown(connection, "order_facts")
    assert seen["accounts not complete"].value == 1
    table = seen["accounts"]
    assert isinstance(table, dg.TableMetadataValue)
    assert {"source": "all", "accounts": "not complete because server_error", "number": 1} in [
        dict(record.data) for record in table.records
    ]
    assert installation.sandbox.world.accounts[0] in str(seen["oldest complete crawl"].value)


def test_the_report_is_linked_once_it_is_there(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the link would be dead before the first report, or missing after it."""
    state = installation.accounts_file.parent / "state"
    monkeypatch.setenv("ORDER_ASSETS_STATE", str(state))
    with installation.engine.connect() as connection:
        assert "report" not in shown(connection, "revenue_monthly")
        state.mkdir(exist_ok=True)
        (state / "report.html").write_text("<!doctype html>", encoding="utf-8")
        assert str(shown(connection, "revenue_monthly")["report"].value) == str(state / "report.html")

"""The definitions themselves: names are a contract, and nothing warns while loading."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg

from order_assets.defs.partitions import KTSP_MEMBERS, MONTHS, SCALEV_CUSTOMERS
from order_assets.warehouse.checks import CHECKS
from order_assets_tests.defs.conftest import Installation

ROOT = Path(__file__).resolve().parents[2]

ASSETS = {
    "raw/scalev_order_pages": ("scalev", SCALEV_CUSTOMERS, {"python", "postgres"}),
    "raw/ktsp_order_pages": ("ktsp", KTSP_MEMBERS, {"python", "postgres"}),
    "report/revenue_report": ("revenue", None, {"python", "html"}),
    "marts/order_facts": ("facts", None, {"pandas", "postgres"}),
    "marts/order_lifecycle": ("facts", None, {"pandas", "postgres"}),
    "marts/order_line_facts": ("facts", None, {"pandas", "postgres"}),
    "marts/order_status_events": ("facts", None, {"pandas", "postgres"}),
    "marts/discount_facts": ("facts", None, {"pandas", "postgres"}),
    "marts/dim_store": ("facts", None, {"pandas", "postgres"}),
    "marts/dim_customer": ("facts", None, {"pandas", "postgres"}),
    **{
        f"marts/{name}": (group, MONTHS, {"sql", "postgres"})
        for group, names in {
            "revenue": (
                "revenue_daily", "revenue_monthly", "revenue_movements_daily", "lifecycle_monthly",
                "status_funnel_monthly",
            ),
            "discounts": ("discount_by_kind_daily", "discount_by_kind_monthly", "discount_by_code_monthly"),
            "products": ("product_daily", "product_monthly"),
        }.items()
        for name in names
    },
    **{
        f"marts/{name}": (group, None, {"sql", "postgres"})
        for group, names in {
            "revenue": ("revenue_daily_dense",),
            "discounts": ("discount_by_code",),
            "customers": ("customer_summary", "repeat_rate", "customer_cohort_monthly"),
        }.items()
        for name in names
    },
}  # fmt: skip


def test_assets_have_their_names_groups_and_partitions(repository: dg.RepositoryDefinition) -> None:
    """Programs and people address assets by these names; a renamed or lost asset breaks them silently."""
    found = {
        node.key.to_user_string(): (node.group_name, node.partitions_def, set(node.kinds or ()))
        for node in repository.asset_graph.asset_nodes
    }
    assert found == ASSETS


def test_every_asset_explains_itself(repository: dg.RepositoryDefinition) -> None:
    """A user who opens an asset finds what it is, whose it is and what its columns mean and come from."""
    graph = repository.asset_graph
    for node in graph.asset_nodes:
        assert node.description, node.key
        assert node.group_name != "default", node.key
        assert node.owners, node.key
        assert node.kinds, node.key
        assert node.tags.get("layer") == node.key.path[0], node.key
        assert node.code_version, node.key
        if node.key.path[0] in {"raw", "report"}:
            continue  # partitions by account over one table of bytes, whose columns are the ledger's business; a file
        schema = node.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema | dg.TableSchemaMetadataValue)
        columns = schema.columns if isinstance(schema, dg.TableSchema) else schema.schema.columns
        assert columns, node.key
        assert all(column.description for column in columns), node.key
        if node.group_name == "facts":
            assert "dagster/column_lineage" not in node.metadata, "pages have no columns"
            continue
        lineage = node.metadata["dagster/column_lineage"]
        assert isinstance(lineage, dg.TableColumnLineage | dg.TableColumnLineageMetadataValue)
        deps = lineage.deps_by_column if isinstance(lineage, dg.TableColumnLineage) else lineage.value.deps_by_column
        unexplained = {column.name for column in columns} - set(deps)
        assert unexplained <= {"computed_at", "run_id", "step"}, node.key
        upstream = {dep.asset_key for of_column in deps.values() for dep in of_column}
        assert upstream <= node.parent_keys, f"{node.key}: columns come from an asset it does not depend on"


def test_a_backfill_is_one_run_on_one_machine(repository: dg.RepositoryDefinition) -> None:
    """A run more costs seconds and buys nothing, as long as there is no second worker to share with."""
    for name in ("scalev_order_pages", "ktsp_order_pages"):
        policy = repository.asset_graph.get(dg.AssetKey(["raw", name])).backfill_policy
        assert policy == dg.BackfillPolicy.single_run()


def test_jobs_schedules_and_sensors_have_their_names(repository: dg.RepositoryDefinition) -> None:
    """The contract of design.md section 6, as far as this release goes; sensors run from the start."""
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {
        "refresh_orders", "retry_failed_accounts", "load_facts", "summarise_months", "summarise_all", "replay_marts",
        "purge_dagster_history", "purge_raw_pages",
    }  # fmt: skip
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "refresh_orders_hourly", "full_crawl_weekly", "purge_dagster_history_daily",
        "purge_raw_pages_daily",
    }  # fmt: skip
    running = {s.name for s in repository.sensor_defs if s.default_status is dg.DefaultSensorStatus.RUNNING}
    assert running == {
        "accounts_sensor", "fetched_pages_sensor", "restated_months_sensor", "stale_summaries_sensor",
        "account_failures_sensor", "report_automation",
    }  # fmt: skip


def test_checks_are_attached_and_block(repository: dg.RepositoryDefinition) -> None:
    """A check that is not attached to its asset never runs; one that does not block lets wrong sums out."""
    keys = {(key.asset_key.path[-1], key.name) for key in repository.asset_graph.asset_check_keys}
    assert keys == {(check.table, check.name) for check in CHECKS}
    blocking = {
        key.name
        for key in repository.asset_graph.asset_check_keys
        if repository.asset_graph.get_check_spec(key).blocking
    }
    assert blocking == {check.name for check in CHECKS if check.is_blocking}


def test_pools_are_named_per_api(repository: dg.RepositoryDefinition) -> None:
    """Operators limit an API by its pool's name."""
    pools = {node.key.path[-1]: node.pools for node in repository.asset_graph.asset_nodes if node.key.path[0] == "raw"}
    assert pools == {"scalev_order_pages": {"scalev_api"}, "ktsp_order_pages": {"ktsp_api"}}


def test_loading_warns_of_nothing() -> None:
    """A user who sees warnings at every start stops reading them; a fresh interpreter shows import-time ones too."""
    program = "from order_assets.definitions import defs; defs().get_repository_def()"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_workspace_file_loads(installation: Installation) -> None:
    """`workspace.yaml` and `dagster.yaml` are what the UI and the daemon start from; they load without a warning."""
    command = [sys.executable, "-m", "order_assets.cli", "dagster", "definitions", "validate"]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [*command, "--workspace", "workspace.yaml"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert "warning" not in printed.lower()
    assert "Validation successful for code location order_assets" in printed
    assert installation.scalar("select count(*) from information_schema.tables where table_schema = 'dagster'") != 0

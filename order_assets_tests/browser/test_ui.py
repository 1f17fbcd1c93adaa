"""The UI as a new user meets it: every page in order, and a click does what it says.

The tests share one `order-assets dev`, which goes on between them; each asks for what it needs by fixture, so that it
also runs alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from order_assets.warehouse.checks import CHECKS
from order_assets_tests.browser.conftest import SMALL
from order_assets_tests.browser.dev import Dev, wait_until
from order_assets_tests.browser.ui import alarming_lines, choose_partition, dots, launch, materialize_dialog, open_asset
from order_assets_tests.defs.test_definitions import ASSETS

Picture = Callable[[Page, str], None]

BAD = "ktsp/KT00000003"
MEMBERS = SMALL.members
# What these pages say of a healthy installation with one run that failed.
EXPLAINED = re.compile(
    r"Failed|Failed \(\d+\)|Missing \(\d+\)|Failed and missing|Errors only|No errors|No missing config"
    r"|Failure"  # of the backfill with a bad credential
    r"|failure: \d+"  # how long ticks are kept
    r"|.* a month that begins stays missing until it has orders\."  # our own description
    r"|stale payloads ignored"  # a count of each load
)


PAGES = {
    "/overview": ["Timeline", "load_facts", "summarise_months"],
    "/runs": ["load_facts"],
    "/jobs": [
        "refresh_orders",
        "retry_failed_accounts",
        "load_facts",
        "summarise_months",
        "summarise_all",
        "replay_marts",
        "purge_dagster_history",
        "purge_raw_pages",
    ],
    "/automation": ["accounts_sensor", "fetched_pages_sensor", "refresh_orders_hourly", "full_crawl_weekly"],
    "/assets": ["Materialize selected"],
    "/deployment/locations": ["Loaded"],
    "/health": ["Running"],
    "/deployment/concurrency": ["ktsp_api", "scalev_api"],
    "/config": ["PostgresRunStorage"],
    "/locations/order_assets/resources": ["ktsp", "scalev", "warehouse"],
}


@pytest.fixture(scope="module")
def one_red_partition(dev: Dev, browser: Browser) -> None:
    """A backfill of all members by click, where one has a credential that is refused."""
    dev.sandbox.set_fault(BAD, "token_expired")
    page = browser.new_page(base_url=dev.url)
    materialize_dialog(page, "raw/ktsp_order_pages").get_by_role("button", name="All", exact=True).click()
    launch(page)
    open_asset(page, "raw/ktsp_order_pages", "Partitions")
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    page.close()


def test_the_lineage_shows_every_asset(page: Page, dev: Dev) -> None:
    """A code location that does not load, or an asset that is lost, leaves a graph with holes or none."""
    query = "{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError {__typename}}}}}"
    entries = dev.graphql(query)["workspaceOrError"]["locationEntries"]
    assert {entry["name"]: entry["locationOrLoadError"]["__typename"] for entry in entries} == {
        "order_assets": "RepositoryLocation"
    }
    page.set_viewport_size({"width": 1280, "height": 1400})  # the tree has no row that is out of sight
    page.goto("/overview")
    page.get_by_role("link", name="Lineage").click()
    groups = {group for group, _, _ in ASSETS.values()}
    for group in groups:
        expect(page.get_by_text(group, exact=True)).not_to_have_count(0)
    carets = page.get_by_role("button", name="arrow_drop_down")
    for number in reversed(range(len(groups))):
        carets.nth(number).click()
    for key in ASSETS:
        expect(page.get_by_title(key.rpartition("/")[2], exact=True).first).to_be_visible()
    assert alarming_lines(page, EXPLAINED) == []


def test_an_account_is_materialized_by_click(page: Page, dev: Dev) -> None:
    """The first thing a user tries: one account, from the asset's page; its partition turns green."""
    account = dev.sandbox.world.accounts[0]
    choose_partition(page, "raw/scalev_order_pages", account)
    launch(page)
    open_asset(page, "raw/scalev_order_pages", "Partitions")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    page.get_by_title(account, exact=True).click()
    expect(page.get_by_text("complete", exact=True)).to_be_visible()
    assert dev.partitions("raw/scalev_order_pages")["materialized"] == 1
    assert dev.scalar(f"select status from ops.crawls where partition_key = '{account}'") == "complete"  # noqa: S608
    assert dev.scalar("select count(*) from ops.crawls where source_system = 'scalev'") == 1


@pytest.mark.usefixtures("one_red_partition")
def test_a_bad_credential_is_one_red_partition(page: Page, dev: Dev, picture: Picture) -> None:
    """The promise of the README: the others are green and committed, in one run; and the red one says where to look."""
    open_asset(page, "raw/ktsp_order_pages", "Partitions")
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    expect(page.get_by_text(f"Materialized ({MEMBERS - 1})")).to_be_visible()
    expect(dots(page, "red")).to_have_count(1)
    expect(dots(page, "green")).to_have_count(MEMBERS - 1)
    page.get_by_title(BAD, exact=True).click()
    expect(page.get_by_text(re.compile("failed, and did not materialize this asset"))).to_be_visible()
    picture(page, "partitions")
    runs = [run for run in dev.runs() if "dagster/backfill" in run["tags"]]
    assert [run["status"] for run in runs] == ["FAILURE"]
    assert dev.partitions("raw/ktsp_order_pages") == {
        "partitions": MEMBERS, "materialized": MEMBERS - 1, "failed": 1, "materializing": 0,
    }  # fmt: skip
    query = "select count(*) from ops.crawls where source_system = 'ktsp' and status = 'complete'"
    assert dev.scalar(query) == MEMBERS - 1
    assert dev.scalar(f"select reason from ops.crawls where partition_key = '{BAD}'") == "token_expired"  # noqa: S608
    page.goto(f"/runs/{runs[0]['runId']}")
    expect(page.get_by_text(re.compile(f"1 of {MEMBERS} accounts are not complete")).first).to_be_visible()


@pytest.mark.usefixtures("one_red_partition")
def test_a_new_customer_gets_a_partition(page: Page, dev: Dev) -> None:
    """Without the sensor, an account that joins the file has no partition and nobody notices."""
    newcomer = next(key for key in reversed(dev.sandbox.world.accounts) if not key.startswith("ktsp/"))
    before = dev.partitions("raw/scalev_order_pages")["partitions"]
    open_asset(page, "raw/scalev_order_pages", "Partitions")
    expect(page.get_by_text(f"{before} Partitions Selected")).to_be_visible()
    expect(page.get_by_title(newcomer, exact=True)).to_have_count(0)
    dev.accounts_file.write_text(dev.sandbox.accounts_toml(), encoding="utf-8")
    wait_until(lambda: dev.partitions("raw/scalev_order_pages")["partitions"] == before + 1, "a tick of the sensor")
    page.reload()
    expect(page.get_by_text(f"{before + 1} Partitions Selected")).to_be_visible()
    expect(page.get_by_title(newcomer, exact=True)).to_be_visible()
    assert dev.scalar(f"select state from ops.accounts where partition_key = '{newcomer}'") == "active"  # noqa: S608


@pytest.mark.usefixtures("one_red_partition")
def test_the_backfill_tells_how_it_ended(page: Page, dev: Dev, picture: Picture) -> None:
    """Who started it by click looks there, not in our ledger."""
    backfill = next(run["tags"]["dagster/backfill"] for run in dev.runs() if "dagster/backfill" in run["tags"])
    wait_until(lambda: dev.backfill_status(backfill) == "COMPLETED_FAILED", "the end of the backfill")
    page.goto("/runs")
    page.get_by_role("tab", name="Backfills").click()
    page.get_by_role("link", name=backfill).click()
    expect(page.get_by_text("100% completed")).to_be_visible()
    picture(page, "backfill")


@pytest.mark.usefixtures("one_red_partition")
def test_failed_accounts_are_retried_by_job(page: Page, dev: Dev, picture: Picture) -> None:
    """Once the credential works again, one click on the job mends what is red."""
    dev.sandbox.clear_faults()
    page.goto("/jobs")
    page.get_by_role("link", name="retry_failed_accounts").click()
    page.get_by_text("Launchpad", exact=True).click()
    page.get_by_role("button", name="Launch Run").click()
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    picture(page, "run")
    open_asset(page, "raw/ktsp_order_pages", "Partitions")
    expect(page.get_by_text(f"Materialized ({MEMBERS})")).to_be_visible()
    expect(page.get_by_text("Failed (0)")).to_be_visible()
    assert dev.partitions("raw/ktsp_order_pages")["failed"] == 0
    query = f"select status from ops.crawls where partition_key = '{BAD}' order by crawl_id desc limit 1"  # noqa: S608
    assert dev.scalar(query) == "complete"


@pytest.mark.usefixtures("one_red_partition")
def test_no_page_shows_an_unexplained_warning(page: Page) -> None:
    """A new user who meets one on the first walk through the UI trusts nothing behind it."""
    found = {}
    for path, texts in PAGES.items():
        page.goto(path)
        for text in texts:
            expect(page.get_by_text(text, exact=True).first).to_be_visible()
        found[path] = alarming_lines(page, EXPLAINED)
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.usefixtures("one_red_partition")
def test_assets_explain_themselves(page: Page, dev: Dev) -> None:
    """What Dagster makes of descriptions and columns is found only by looking: one asset of each kind."""
    columns = "metadataEntries {... on TableSchemaMetadataEntry {schema {columns {name description}}}}"
    nodes = dev.graphql(f"{{assetNodes {{assetKey {{path}} description groupName isPartitioned {columns}}}}}")[
        "assetNodes"
    ]
    assert len(nodes) == len(ASSETS)
    kinds = {(node["groupName"], node["isPartitioned"]): node for node in nodes}
    found = {}
    for node in kinds.values():
        name = "/".join(node["assetKey"]["path"])
        open_asset(page, name)
        expect(page.get_by_text(node["description"].partition(".")[0].replace("`", "")).first).to_be_visible()
        expect(page.get_by_role("link", name=node["groupName"], exact=True).first).to_be_visible()
        tables = [entry["schema"]["columns"] for entry in node["metadataEntries"] if "schema" in entry]
        ours = {node["description"], *(text for table in tables for column in table for text in column.values())}
        found[name] = [line for line in alarming_lines(page, EXPLAINED) if line.strip() not in ours]
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.usefixtures("one_red_partition")
def test_checks_have_passed_once_the_facts_followed(page: Page, dev: Dev, picture: Picture) -> None:
    """Facts follow a crawl by sensor, with their checks: that is what lets a user trust the sums."""
    wait_until(
        lambda: (
            dev.is_idle() and not dev.scalar("select count(*) from ops.crawls where loaded_at is null and pages > 0")
        ),
        "the load of all crawls",
    )
    loads = dev.runs('pipelineName: "load_facts"')
    assert {run["status"] for run in loads} == {"SUCCESS"}
    assert {run["tags"]["dagster/sensor_name"] for run in loads} == {"fetched_pages_sensor"}
    mine = [check.name for check in CHECKS if check.table == "order_facts"]
    open_asset(page, "marts/order_facts", "Checks")
    expect(page.get_by_text(f"Checks ({len(mine)})")).to_be_visible()
    page.get_by_placeholder("Filter checks").fill("orders_match_pages")
    page.get_by_text("orders_match_pages", exact=True).first.click()
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()
    expect(page.get_by_text("nothing violates it")).to_be_visible()
    page.get_by_placeholder("Filter checks").fill("")
    picture(page, "checks")
    assert dev.scalar("select count(*) from marts.order_facts") > 0


@pytest.mark.usefixtures("one_red_partition")
def test_everything_follows_by_itself(page: Page, dev: Dev, picture: Picture) -> None:
    """Facts and summaries follow a crawl by sensor; what a user never touched is there all the same."""
    wait_until(lambda: dev.scalar("select count(*) from marts.customer_summary"), "the last summaries")
    page.goto("/asset-groups")
    page.get_by_role("button", name="Hide navigation").click()
    page.reload()  # so that the graph takes the room
    for group in {group for group, _, _ in ASSETS.values()}:
        expect(page.get_by_text(group, exact=True)).not_to_have_count(0)
    expect(page.get_by_text("fetching statuses")).to_have_count(0)
    picture(page, "lineage")
    assert dev.scalar("select count(*) from marts.revenue_monthly") > 0


@pytest.mark.usefixtures("one_red_partition")
def test_a_picture_is_visible(page: Page, dev: Dev, picture: Picture) -> None:
    """Without it, the UI's sanitizer or a change of ours could turn every plot into a line of text."""
    wait_until(lambda: dev.scalar("select count(*) from marts.revenue_monthly"), "summaries")
    page.goto("/assets/marts/revenue_monthly?view=overview")
    glances = page.locator('img[alt="net sales by month"]')
    expect(glances.first).to_be_visible()
    assert glances.first.evaluate("image => image.complete && image.naturalWidth") == 240
    row = page.locator("tr").filter(has=page.get_by_text("plot", exact=True))
    row.get_by_text("[Show Markdown]").click()
    plot = page.locator('[role=dialog] img[alt="Revenue and discount share by month"]')
    expect(plot).to_be_visible()
    assert plot.evaluate("image => image.complete && image.naturalWidth") == 864
    picture(page, "plot")


@pytest.mark.usefixtures("one_red_partition")
def test_the_report_follows_and_reads_without_a_network(page: Page, dev: Dev, picture: Picture) -> None:
    """Without it, people who do not use this UI would read old numbers, or a page with holes."""
    wait_until(lambda: dev.scalar("select count(*) from marts.customer_cohort_monthly"), "summaries")
    report = dev.state / "report.html"
    wait_until(report.is_file, "the report, by declarative automation")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", name="Revenue and discounts")).to_be_visible()
    for name in ("Revenue and discount share by month", "Discount mix by month", "Customers who buy again, by cohort",
                 "How long orders take", "Accounts by last crawl"):  # fmt: skip
        expect(page.get_by_role("img", name=name)).to_be_visible()
    assert [url for url in asked if not url.startswith("file:")] == []
    picture(page, "report")


def test_a_backfill_over_scattered_accounts_runs_in_few_runs(page: Page, dev: Dev) -> None:
    """Dagster's daemon makes a run of each stretch of accounts; without our joining all would be processes."""
    del page
    keys = [key for key in dev.sandbox.world.accounts if not key.startswith("ktsp/")][::2]
    assert len(keys) >= 4
    names = ", ".join(f'"{key}"' for key in keys)
    before = {run["runId"] for run in dev.runs()}
    crawls = dev.scalar("select count(*) from ops.crawls where source_system = 'scalev'")
    started = dev.graphql(
        'mutation {launchPartitionBackfill(backfillParams: {assetSelection: [{path: ["raw", "scalev_order_pages"]}],'
        f" partitionNames: [{names}]}}) {{__typename ... on LaunchBackfillSuccess {{backfillId}}}}}}"
    )["launchPartitionBackfill"]
    backfill = started["backfillId"]
    wait_until(lambda: dev.backfill_status(backfill) == "COMPLETED_SUCCESS", "the end of the backfill")
    runs = [run for run in dev.runs() if run["runId"] not in before and run["tags"].get("dagster/backfill") == backfill]
    assert len(runs) < len(keys) / 2, "the others were taken along"
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert dev.scalar("select count(*) from ops.crawls where source_system = 'scalev'") == crawls + len(keys)


def test_ctrl_c_ends_a_run_under_way(page: Page, dev: Dev) -> None:
    """Last, since it ends what the tests share. Code servers that wait for such a run for ever would pile up."""
    dev.sandbox.set_fault(BAD, "slow:seconds=50")
    dev.sandbox.reset_requests()
    choose_partition(page, "raw/ktsp_order_pages", BAD)
    launch(page)
    wait_until(lambda: BAD in dev.sandbox.requests(), "the request that takes long")
    page.close()
    dev.stop()

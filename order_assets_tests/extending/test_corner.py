"""The recipe of docs/extending.md, proven: a third source through the real crawl, ledger, facts, marts and checks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

import dagster as dg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from order_assets import accounts_file, refresh, runtime
from order_assets import settings as configuration
from order_assets.accounts_file import KINDS, SourceSystem
from order_assets.crawl import accounts, explain, facts
from order_assets.crawl import run as crawling
from order_assets.crawl.ledger import CrawlResult
from order_assets.defs import partitions
from order_assets.defs.raw import order_pages
from order_assets.defs.resources import ApiResource, WarehouseResource
from order_assets.domain import pages, readers
from order_assets.settings import Settings
from order_assets.warehouse import checks, schema, summaries
from order_assets_tests.crawl.rosters import KEY
from order_assets_tests.extending.corner_accounts import (
    KIND,
    CornerBuyer,
    CornerSection,
    CornerShop,
    WithCorner,
    crawl_corner,
)
from order_assets_tests.extending.corner_api import TOKEN, CornerApi, order, serve
from order_assets_tests.extending.corner_orders import SYSTEM, derive
from order_assets_tests.extending.corner_page import READER

ANNA, BERT, CARL = "corner-1/anna", "corner-1/bert", "corner-1/carl"
BUYERS = dg.DynamicPartitionsDefinition(name="corner_buyers")
REGISTRIES: tuple[dict[Any, Any], ...] = (
    KINDS, readers.READERS, facts.DERIVE, crawling.CRAWLS, partitions.ACCOUNTS,
)  # fmt: skip
ENTRIES = (KIND, READER, derive, crawl_corner, BUYERS)
CONSTRAINED = ("marts.dim_store", "marts.order_facts", "ops.accounts")


def names_the_sources(table: str) -> sa.CheckConstraint:
    """Return the constraint of a table that lists the sources."""
    (found,) = (
        constraint
        for constraint in schema.metadata.tables[table].constraints
        if isinstance(constraint, sa.CheckConstraint) and str(constraint.sqltext).startswith("source_system in")
    )
    return found


@pytest.fixture
def api() -> Iterator[CornerApi]:
    """Corner, with seven orders of Anna, one odd order of Bert's, and no Carl."""
    anna = [order(7, "new"), order(6, "cancelled"), *(order(n, "done") for n in (5, 4, 3, 2)), order(1, "paid")]
    with serve(CornerApi({"anna": anna, "bert": [order(9, "paid", total="ninety")]})) as running:
        yield running


@pytest.fixture
def settings(api: CornerApi, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The product with Corner registered, and an accounts file that names three buyers."""
    for registry, entry in zip(REGISTRIES, ENTRIES, strict=True):
        monkeypatch.setitem(registry, SYSTEM, entry)
    with engine.begin() as connection:  # the recipe's migration
        for table in CONSTRAINED:
            name = names_the_sources(table).name
            connection.execute(sa.text(f"alter table {table} drop constraint {name}"))
            listed = "check (source_system in ('scalev', 'ktsp', 'corner'))"
            connection.execute(sa.text(f"alter table {table} add constraint {name} {listed}"))
    buyers = tuple(CornerBuyer(buyer=name, key=SecretStr(TOKEN)) for name in ("anna", "bert", "carl"))
    shop = CornerShop(name="corner-1", base_url=api.base_url, buyers=buyers)
    made = Settings(
        state=tmp_path,
        accounts_path=tmp_path / "accounts.toml",
        accounts=WithCorner(corner=CornerSection(requests_per_second=1000.0, shops=(shop,))),
        keys=configuration.Keys(SecretStr("h"), (KEY,)),
        database_url=None,
    )
    with engine.begin() as connection:
        accounts.sync(connection, made)
    return made


def crawl(
    engine: sa.Engine, settings: Settings, run_id: str = "run-1", *, mode: Literal["auto", "full"] = "auto"
) -> dict[str, CrawlResult]:
    """Crawl everyone and load the facts, as a refresh does; return how the crawls ended."""
    with engine.connect() as connection:
        keys = accounts.active_keys(connection, SYSTEM)
    results = crawling.crawl_accounts(SYSTEM, keys, settings, engine, run_id, lambda _: None, mode=mode)
    facts.load_pending(engine, settings, run_id)
    return {result.account.partition_key: result for result in results}


def rows(engine: sa.Engine, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(query)).mappings()]


def test_orders_of_a_third_source_become_revenue(engine: sa.Engine, settings: Settings) -> None:
    """Without it, the recipe could leave out a place, and nobody would know before having written a whole source."""
    ended = crawl(engine, settings)
    assert {key: (r.verdict.status, r.verdict.reason) for key, r in ended.items()} == {
        ANNA: ("complete", "ok"), BERT: ("complete", "ok"), CARL: ("failed", "member_not_found"),
    }  # fmt: skip
    found = {row["source_order_id"]: row for row in rows(engine, "select * from marts.order_facts")}
    assert {name: row["revenue_class"] for name, row in found.items()} == {
        "C-1": "recognised", "C-2": "recognised", "C-3": "recognised", "C-4": "recognised", "C-5": "recognised",
        "C-6": "lost", "C-7": "open", "C-9": "excluded",
    }  # fmt: skip
    assert found["C-1"]["net_sales_amount"] == Decimal("90.00")
    assert found["C-1"]["order_date"] == date(2026, 1, 1)
    assert found["C-9"]["anomaly_codes"] == ["bad_amount:total"]
    assert {row["customer_order_seq"] for row in found.values()} >= {1, 2, 3, 4, 5}
    month = date(2026, 1, 1)
    with engine.begin() as connection:
        for name in summaries.MONTHLY_TABLES:
            summaries.summarise(connection, name, month, month, "run-1")
    (revenue,) = rows(engine, "select * from marts.revenue_monthly")
    assert (revenue["source_system"], revenue["orders_recognised"], revenue["orders_lost"]) == ("corner", 5, 1)
    assert revenue["net_sales_amount"] == Decimal("450.00")
    limits = settings.accounts.checks.model_dump()
    with engine.connect() as connection:
        found_by = {check.name: checks.find(connection, check, limits) for check in checks.CHECKS if check.is_blocking}
    assert {name: finding for name, finding in found_by.items() if finding.failing} == {}


def test_a_third_source_has_the_verdicts_and_the_economy_of_the_others(
    engine: sa.Engine, settings: Settings, api: CornerApi
) -> None:
    """What the crawl promises is not written again for each source: changes, few requests, endless pages."""
    crawl(engine, settings)
    api.orders["anna"].insert(0, order(10, "paid"))
    ended = crawl(engine, settings, "run-2")
    assert (ended[ANNA].mode, ended[ANNA].orders_new, ended[ANNA].orders_changed) == ("head", 1, 0)
    api.endless.add("anna")
    ended = crawl(engine, settings, "run-3", mode="full")
    assert (ended[ANNA].verdict.status, ended[ANNA].verdict.reason) == ("incomplete", "page_repeated")
    assert rows(engine, "select count(*) as n from marts.order_facts where not is_deleted_at_source") == [{"n": 9}]


def test_explain_finds_the_page_of_a_third_source(engine: sa.Engine, settings: Settings) -> None:
    """An order that cannot be traced to its page cannot be defended."""
    crawl(engine, settings)
    with engine.connect() as connection:
        (candidate,) = explain.find(connection, "C-1")
        shown = explain.explain(connection, settings, candidate.order_key)
    assert "paid" in shown.rule, shown.rule
    assert "open" not in shown.rule
    assert shown.lineage is not None
    assert "of" in shown.lineage["bytes_of_page"]


def test_a_third_source_is_an_asset_with_one_red_partition(
    engine: sa.Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Dagster too a source is an entry: partitions, resource, asset and op come of it, and failures stay apart."""
    monkeypatch.setattr(runtime, "open_settings", lambda: settings)
    monkeypatch.setattr(runtime, "open_engine", lambda: engine)
    asset = order_pages.pages_asset(SYSTEM, "Corner buyer")
    warehouse = WarehouseResource()
    repository = dg.Definitions(
        assets=[asset], resources={SYSTEM: ApiResource(source_system=SYSTEM, warehouse=warehouse)}
    ).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("corner_buyers", [ANNA, BERT, CARL])
        result = repository.get_job("__ASSET_JOB").execute_in_process(
            instance=instance,
            run_config=order_pages.QUIET,
            tags={"dagster/asset_partition_range_start": ANNA, "dagster/asset_partition_range_end": CARL},
            asset_selection=[asset.key],
            raise_on_error=False,
        )
        assert not result.success
        assert instance.get_materialized_partitions(asset.key) == {ANNA, BERT}
    assert rows(engine, "select count(*) as n from raw.order_pages") != [{"n": 0}]


def test_every_place_knows_every_source() -> None:
    """A source that is added to one place and forgotten in another fails late, and where nobody looks."""
    sources = set(get_args(SourceSystem))
    assert set(get_args(pages.SourceSystem)) == sources
    assert [set(registry) for registry in REGISTRIES] == [sources] * len(REGISTRIES)
    assert set(partitions.ACCOUNTS) == set(refresh.SOURCES) == sources
    assert sources <= set(accounts_file.AccountsFile.model_fields)
    for table in CONSTRAINED:
        assert all(f"'{source}'" in str(names_the_sources(table).sqltext) for source in sources), table

"""Facts and dimensions: one step, since they come from the same pages and change in the same transactions."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
import sqlalchemy as sa

from order_assets import memory
from order_assets.crawl import progress
from order_assets.crawl.facts import load_pending
from order_assets.defs.marts.shown import shown
from order_assets.defs.marts.tables import RAW_PAGES, mart, mart_spec, row_count
from order_assets.defs.raw.order_pages import QUIET
from order_assets.defs.resources import WarehouseResource
from order_assets.warehouse.engine import STATEMENTS_AT_ONCE
from order_assets.warehouse.ledger_schema import unknown_fields

_NAMED = 20
_LONG, _LINES = 50_000, 10  # a load of so many orders says in the run's log how far it is, so often
TABLES = (
    "order_facts",
    "order_line_facts",
    "discount_facts",
    "order_status_events",
    "order_lifecycle",
    "dim_store",
    "dim_customer",
)


@dg.multi_asset(name="facts", specs=[mart_spec(name, group="facts", deps=RAW_PAGES) for name in TABLES])
def facts(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
    """Load the pages of every finished crawl that is not in the facts yet; unchanged orders are not written."""
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        memory.give_back()
        progress.read(done, total)
        if total >= _LONG and done - told >= total / _LINES:
            told = done
            context.log.info("%d of %d orders of the pages read", done, total)

    with memory.settled():
        counts = load_pending(warehouse.engine, warehouse.settings, context.run.run_id, on_progress=tell)
    context.log.info("%d orders are new, %d changed", counts.orders_new, counts.orders_changed)
    engine = warehouse.engine
    with engine.connect() as connection:
        undocumented = connection.execute(sa.select(unknown_fields.c.field).distinct().limit(_NAMED)).scalars().all()
    did = {
        "orders new": counts.orders_new,
        "orders changed": counts.orders_changed,
        "orders sent again unchanged": counts.orders_unchanged,
        "stale payloads ignored": counts.stale_payloads,
        "undocumented fields (ops.unknown_fields)": ", ".join(sorted(undocumented)) or "none",
        "months touched": ", ".join(f"{month:%Y-%m}" for month in sorted(counts.months)) or "none",
    }

    def look(name: str) -> dict[str, Any]:
        with engine.connect() as connection:
            return {"dagster/row_count": row_count(connection, name), **did, **shown(connection, name)}

    with ThreadPoolExecutor(STATEMENTS_AT_ONCE) as threads:
        for name, seen in zip(TABLES, threads.map(look, TABLES), strict=True):
            yield dg.MaterializeResult(asset_key=mart(name), metadata=seen)


load_facts = dg.define_asset_job(
    "load_facts",
    selection=dg.AssetSelection.groups("facts"),
    description="Bring the facts up to date with the raw pages, and check them.",
    config=QUIET,
)

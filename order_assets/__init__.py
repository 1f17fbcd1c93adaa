"""Order Assets: order histories of many Scalev customers and KTSP members, as facts and summaries in PostgreSQL.

The package is built in rings. Imports go inward only, and a test enforces it:

    clients    HTTP only: the two APIs as streams of pages. Knows neither Dagster nor a database.
    domain     Pure functions from page bytes to frames: money, time, recognition. No I/O at all.
    warehouse  PostgreSQL only: the embedded server, the schema, loading, set-based SQL.
    report     Pictures of the summaries and previews of the tables, for the UI and a report. Knows no Dagster.
    crawl      Joins clients and warehouse: accounts, credentials, the crawl itself, its ledger and verdicts.
    defs       Dagster only, and thin: what the UI shows is declared here and done in the rings above.

Beside the rings stand `settings` (environment and accounts file, imported by crawl, defs and cli), `cli`
(the `order-assets` command), `sandbox` (both APIs as a local server; it shares no code with the clients), and what
analysts use: `order_assets.read` (below) and `export`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import pandas as pd

__all__ = ["read"]


def read(  # noqa: PLR0913 - choices, all by name
    table: str,
    *,
    columns: Iterable[str] = (),
    store: str | Iterable[str] = (),
    currency: str | Iterable[str] = (),
    source: str | None = None,
    since: date | str | None = None,
    until: date | str | None = None,
    database_url: str | None = None,
) -> pd.DataFrame:
    """Return a table as a pandas frame with Arrow types and exact values.

    Amounts are `decimal128` in the currency of their row, dates `date32` in the store's zone, instants
    `timestamp[us, UTC]`. No name, address or contact of a person is in any table; customers are pseudonyms.

    Args:
        table: A view of schema `reporting` or a table of `marts`, e.g. "revenue_by_day" or "revenue_daily".
        columns: Only these; all by default.
        store: Only rows of these stores, by `store_key` or by the store's id at the source.
        currency: Only rows in these currencies, ISO 4217.
        source: "scalev" or "ktsp".
        since: First date, as a date or "2026-05-01"; a month counts by its first day.
        until: Last date, included.
        database_url: PostgreSQL; by default the database of this installation, as the `order-assets` command has it.

    Raises:
        SelectionError: there is no such table, column or store, or the table cannot be selected that way.
        WarehouseError: the database cannot be reached, or has no such table yet.
    """
    from order_assets.reading import read as read_table  # pandas takes a second to import

    return read_table(
        table, columns=columns, store=store, currency=currency, source=source, since=since, until=until,
        database_url=database_url,
    )  # fmt: skip

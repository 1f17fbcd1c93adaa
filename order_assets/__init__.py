"""Order Assets: order histories of many Scalev customers and KTSP members, as facts and summaries in PostgreSQL.

The package is built in rings. Imports go inward only, and a test enforces it:

    clients    HTTP only: the two APIs as streams of pages. Knows neither Dagster nor a database.
    domain     Pure functions from page bytes to frames: money, time, recognition. No I/O at all.
    warehouse  PostgreSQL only: the embedded server, the schema, loading, set-based SQL.
    report     Pictures of the summaries and previews of the tables, for the UI and a report. Knows no Dagster.
    crawl      Joins clients and warehouse: accounts, credentials, the crawl itself, its ledger and verdicts.
    defs       Dagster only, and thin: what the UI shows is declared here and done in the rings above.

Beside the rings stand `settings` (environment and accounts file, imported by crawl, defs and cli), `cli`
(the `order-assets` command) and `sandbox` (both APIs as a local server; it shares no code with the clients).
"""

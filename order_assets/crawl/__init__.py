"""Joins the API clients and the warehouse: accounts, credentials, the crawl, its ledger. Knows no Dagster."""

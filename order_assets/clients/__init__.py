"""The two order APIs over HTTP. Nothing here knows Dagster, PostgreSQL or the settings file."""

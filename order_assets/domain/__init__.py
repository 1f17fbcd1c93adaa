"""Pure functions from page bytes to frames. No HTTP, no database, no Dagster, no clock: same input, same output."""

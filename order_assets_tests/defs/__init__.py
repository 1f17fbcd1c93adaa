"""Tests of what Dagster sees: definitions, runs on a real instance, sensors."""

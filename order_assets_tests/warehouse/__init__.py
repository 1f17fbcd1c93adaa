"""Tests of the warehouse ring, against a real PostgreSQL."""

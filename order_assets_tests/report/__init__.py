"""Tests of the report ring: pictures from typed data, and the queries that fill them."""

"""Tests of the ring that joins clients and warehouse, against the sandbox and a real PostgreSQL."""

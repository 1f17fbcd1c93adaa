"""Tests of the HTTP clients and the walks, against named fakes."""

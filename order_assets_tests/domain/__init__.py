"""Tests of the pure derivation: money, time, classes, and what each source field means."""

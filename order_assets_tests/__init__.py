"""Tests, mirroring the package. Each test says in its docstring what would break without it."""

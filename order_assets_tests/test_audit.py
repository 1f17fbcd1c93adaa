"""The audit of dependencies: what stops a build, and what does not. The advisories themselves are the service's."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "audit.py"
# As pip-audit 2.10 writes it.
FOUND = {
    "dependencies": [
        {"name": "one", "version": "1.0", "vulns": []},
        {"name": "two", "version": "2.0", "vulns": [
            {"id": "PYSEC-2026-1", "fix_versions": ["2.1"], "aliases": ["CVE-2026-7"], "description": "..."}
        ]},
        {"name": "three", "skip_reason": "Dependency not found on PyPI and could not be audited: three (3.0)"},
    ],
    "fixes": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_known_vulnerability_stops_the_build(audit: ModuleType) -> None:
    """Without it, a release could ship what everybody knows to be open."""
    assert audit.verdict(FOUND, {}) == (["two 2.0: PYSEC-2026-1 (mended in: 2.1)"], 2, 1)


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-7"])
def test_what_is_ignored_has_a_reason(audit: ModuleType, name: str) -> None:
    """Without it, a list of ignored advisories would grow, and nobody would know what may leave it."""
    assert audit.verdict(FOUND, audit.ignores(f"# a comment\n\n{name} we never call it\n"))[0] == []
    with pytest.raises(ValueError, match=f"{name}: write why"):
        audit.ignores(f"{name}\n")


def test_the_list_itself_can_be_read(audit: ModuleType) -> None:
    """Without it, a slip in the list would show at the next release only."""
    audit.ignores((SCRIPT.parent / "audit-ignores.txt").read_text(encoding="utf-8"))

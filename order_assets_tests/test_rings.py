"""The architecture as a test: who may import whom, and what every module owes its reader."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import order_assets

PACKAGE = Path(order_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 500


@dataclass(frozen=True, slots=True)
class Rule:
    """What one ring may not import, which parts of order_assets it may, and whether it may do I/O."""

    may_import: frozenset[str]
    foreign: frozenset[str]
    is_pure: bool = False


def _rule(may_import: str, foreign: str, *, is_pure: bool = False) -> Rule:
    return Rule(frozenset(may_import.split()), frozenset(foreign.split()), is_pure)


_HTTP = "httpx httpx_aiohttp aiohttp requests urllib http"
_DAGSTER = "dagster dagster_postgres"
_DATABASE = "sqlalchemy psycopg psycopg2 alembic"
EVERYTHING = "accounts_file clients domain warehouse crawl settings report runtime memory defs definitions cli"
RULES = {
    "clients": _rule("clients", f"{_DAGSTER} {_DATABASE} pandas pyarrow"),
    "domain": _rule("domain", f"{_DAGSTER} {_DATABASE} {_HTTP} socket subprocess pathlib os io", is_pure=True),
    "warehouse": _rule("warehouse domain", f"{_DAGSTER} httpx httpx_aiohttp aiohttp requests"),
    "crawl": _rule("crawl clients domain warehouse accounts_file settings", _DAGSTER),
    "sandbox": _rule("sandbox", f"{_DAGSTER} {_DATABASE} pandas"),
    "accounts_file": _rule("accounts_file", f"{_DAGSTER} {_DATABASE} {_HTTP} pandas"),
    "settings": _rule("accounts_file settings", f"{_DAGSTER} {_DATABASE} {_HTTP} pandas"),
    "report": _rule("report domain warehouse accounts_file settings", _DAGSTER),
    "memory": _rule("memory", f"{_DAGSTER} {_DATABASE} {_HTTP} pandas pyarrow"),
    "runtime": _rule("clients domain warehouse crawl accounts_file settings sandbox runtime", _DAGSTER),
    "defs": _rule(EVERYTHING, ""),
    "definitions": _rule(EVERYTHING, ""),
    # The command and its parts: what commands share, the job as Dagster runs, and the processes of the UI.
    "cli": _rule(
        f"{EVERYTHING} sandbox refresh serving cli_accounts cli_common cli_doctor cli_export cli_init cli_model"
        " cli_parts cli_probe cli_progress cli_report",
        "",
    ),
    "cli_accounts": _rule(f"{EVERYTHING} cli_common cli_progress", _DAGSTER),
    "cli_common": _rule(EVERYTHING, _DAGSTER),
    "cli_doc": _rule("cli", _DAGSTER),
    "cli_doctor": _rule(f"{EVERYTHING} cli_common doctor", _DAGSTER),
    "cli_export": _rule(f"{EVERYTHING} cli_common export", _DAGSTER),
    "cli_init": _rule(f"{EVERYTHING} cli_common initial_file", _DAGSTER),
    "cli_model": _rule(f"{EVERYTHING} refresh cli_common cli_progress cli_report", _DAGSTER),
    # Dagster: its storages are opened before roles are granted rights on them.
    "cli_parts": _rule(f"{EVERYTHING} sandbox cli_common", ""),
    "cli_probe": _rule(f"{EVERYTHING} cli_common", _DAGSTER),
    "cli_progress": _rule("cli_common", _DAGSTER),
    "cli_report": _rule(f"{EVERYTHING} cli_common", _DAGSTER),
    "doctor": _rule("doctor clients crawl warehouse accounts_file settings runtime", _DAGSTER),
    "export": _rule("warehouse export", f"{_DAGSTER} {_HTTP}"),
    "initial_file": _rule("accounts_file initial_file", f"{_DAGSTER} {_DATABASE} {_HTTP} pandas"),
    "reading": _rule("warehouse export runtime", f"{_DAGSTER} {_HTTP}"),
    "refresh": _rule(EVERYTHING, ""),
    "serving": _rule("accounts_file settings runtime", _DAGSTER),
}
# Reading the machine, as domain must not: names called or looked up.
_IO_CALLS = {"open", "input", "print"}
_IO_ATTRIBUTES = {"environ", "getenv", "read_text", "write_text", "read_bytes", "write_bytes", "now", "utcnow", "today"}


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every imported module by its dotted name, lazy and conditional imports included, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "order_assets":
            yield from ((f"order_assets.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), node.lineno


def violations(ring: str, source: str) -> list[str]:
    """Return what a module's source does against the rule of its ring."""
    rule, tree = RULES[ring], ast.parse(source)
    found = []
    for name, line in imported(tree):
        top, _, rest = name.partition(".")
        if not top:
            found.append(f"{line}: relative import")
        elif top in rule.foreign:
            found.append(f"{line}: {ring} imports {top}")
        elif top == "order_assets" and rest.partition(".")[0] not in rule.may_import:
            found.append(f"{line}: {ring} imports {name}")
    if rule.is_pure:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _IO_CALLS:
                found.append(f"{node.lineno}: {ring} calls {node.func.id}()")
            if isinstance(node, ast.Attribute) and node.attr in _IO_ATTRIBUTES:
                found.append(f"{node.lineno}: {ring} uses .{node.attr}")
    return found


def ring_of(path: Path) -> str:
    """Return the first part of a module's place below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_keeps_the_rule_of_its_ring(path: Path) -> None:
    """Without it, a shortcut across rings would compile, and the clients would soon need a database to be tested."""
    ring = ring_of(path)
    if ring == "__init__":
        return  # see test_importing_the_package_is_cheap
    assert ring in RULES, f"{path}: a new part of the package needs a rule here"
    assert violations(ring, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_says_what_it_is_and_stays_readable(path: Path) -> None:
    """Without it, modules would grow beyond what one can hold in mind, and say nothing of their part."""
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= MAX_LINES


def test_importing_the_package_is_cheap() -> None:
    """Without it, `import order_assets` and every command would wait for pandas and Dagster, needed or not."""
    script = (
        "import sys; before = set(sys.modules); import order_assets;"
        " print(*(sorted({m.partition('.')[0] for m in set(sys.modules) - before} - sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.split() == ["order_assets"]


def test_only_the_outermost_parts_know_dagster() -> None:
    """Without it, a version of Dagster could break code that has nothing to do with it."""
    users = {
        ring_of(path)
        for path in MODULES
        for name, _ in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.partition(".")[0] in {"dagster", "dagster_postgres"}
    }
    assert users <= {"defs", "definitions", "cli", "cli_parts", "refresh"}


def test_only_runtime_and_the_command_line_know_the_sandbox() -> None:
    """Without it, product code could come to depend on the server that is there to try it."""
    users = {
        ring_of(path)
        for path in MODULES
        for name, _ in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.startswith("order_assets.sandbox")
    }
    assert users <= {"sandbox", "runtime", "cli", "cli_parts"}


@pytest.mark.parametrize(
    ("ring", "source", "expected"),
    [
        ("clients", "import sqlalchemy as sa", "1: clients imports sqlalchemy"),
        ("clients", "from psycopg import sql", "1: clients imports psycopg"),
        ("clients", "def f():\n    import pandas", "2: clients imports pandas"),
        ("clients", "import order_assets.warehouse.load", "1: clients imports order_assets.warehouse.load"),
        ("clients", "from order_assets import settings", "1: clients imports order_assets.settings"),
        ("domain", "import httpx", "1: domain imports httpx"),
        ("domain", "from order_assets.clients import http", "1: domain imports order_assets.clients"),
        ("domain", "text = open('x').read()", "1: domain calls open()"),
        ("domain", "import sys\nkey = sys.modules['os'].environ['KEY']", "2: domain uses .environ"),
        ("domain", "import os", "1: domain imports os"),
        ("warehouse", "from dagster import asset", "1: warehouse imports dagster"),
        ("warehouse", "from order_assets import crawl", "1: warehouse imports order_assets.crawl"),
        ("crawl", "import dagster as dg", "1: crawl imports dagster"),
        ("crawl", "from order_assets.sandbox.testing import serve", "1: crawl imports order_assets.sandbox.testing"),
        ("sandbox", "from order_assets.clients import scalev", "1: sandbox imports order_assets.clients"),
        ("settings", "from order_assets.domain import money", "1: settings imports order_assets.domain"),
        ("crawl", "from . import ledger", "1: relative import"),
        ("crawl", "if True:\n    from ..defs import raw", "2: relative import"),
    ],
)
def test_the_rules_catch_a_violation(ring: str, source: str, expected: str) -> None:
    """Without it, a rule engine that finds nothing would look like a package that is in order."""
    assert violations(ring, source) == [expected]


def test_the_rules_let_the_allowed_pass() -> None:
    """Without it, the engine could refuse everything and the suite would be switched off."""
    assert violations("crawl", "import sqlalchemy\nfrom order_assets.clients import http") == []
    assert violations("domain", "import pandas as pd\nfrom order_assets.domain.money import parse") == []

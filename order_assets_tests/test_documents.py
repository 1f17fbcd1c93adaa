"""The documentation and the files of convention say what is so. Links between pages are checked by `make docs`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import typer
import yaml

from order_assets.cli import app
from order_assets.clients.errors import Reason

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")])


def pages_of(nav: list[Any]) -> set[str]:
    """Return the pages of a navigation with its sections."""
    found: set[str] = set()
    for entry in nav:
        for value in entry.values():
            found |= pages_of(value) if isinstance(value, list) else {value}
    return found


def commands(group: typer.Typer) -> set[str]:
    """Return every command as it is typed, without `order-assets`."""
    own = {command.name or command.callback.__name__ for command in group.registered_commands if command.callback}
    for part in group.registered_groups:
        assert part.typer_instance is not None
        inner = commands(part.typer_instance)
        own |= {f"{part.name} {name}" for name in inner} if isinstance(part.name, str) else inner
    return own


def test_every_page_is_in_the_sites_navigation() -> None:
    """A page that is not listed is built and never found."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert pages_of(nav) == {str(path.relative_to(ROOT)) for path in PAGES}


def test_pages_show_and_name_files_that_exist() -> None:
    """The site's own check knows pages and anchors, not pictures and other files."""
    missing = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if not target.startswith(("http:", "https:", "mailto:")) and not (page.parent / target).exists()
    ]
    assert missing == []


def test_pages_name_commands_that_exist() -> None:
    """A command that was renamed would live on in the pages, and a reader's first try would fail."""
    known = commands(app)
    groups = {name.split()[0] for name in known if " " in name}
    wrong = []
    for page in PAGES:
        if page.name in {"CHANGELOG.md", "cli.md"}:  # of the past; generated
            continue
        for words in re.findall(
            r"(?:`|^|bin/|&& )order-assets ([a-z][a-z|-]*(?: [a-z|-]+)?)", page.read_text("utf-8"), re.MULTILINE
        ):
            first, _, second = words.partition(" ")
            wanted = {f"{first} {name}" for name in second.split("|")} if first in groups else {first}
            wrong += [f"{page.name}: order-assets {words}"] if not wanted <= known else []
    assert wrong == []


def test_every_reason_of_a_verdict_is_explained() -> None:
    """A code that stands in a red partition and on no page sends its reader into the source."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in page] == []


def test_github_runs_what_everybody_can_run() -> None:
    """A workflow of its own would drift from .ci/run, and be green where that is red."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == ".ci/run"
    python = next(step["with"]["python-version"] for step in job["steps"] if "with" in step)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={python}"


def test_the_commit_hooks_are_the_locked_tools() -> None:
    """Hooks from elsewhere would have versions of their own, and need a network at the first commit."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    tools = {hook["entry"].split()[0] for repo in hooks["repos"] for hook in repo["hooks"]}
    assert tools == {".venv/bin/ruff", ".venv/bin/mypy"}

"""Releases after this one, as far as their migrations go."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from alembic.script import ScriptDirectory

from order_assets.warehouse import engine as warehouse

MIGRATIONS = Path(warehouse.__file__).parent / "migrations"
HEAD = str(ScriptDirectory(str(MIGRATIONS)).get_current_head())
NEWER = "9999"
_MIGRATION = """
from alembic import op

revision = "{revision}"
down_revision = "{head}"


def upgrade() -> None:
    for statement in {statements!r}:
        op.execute(statement)
"""
_MIGRATE = """
import sys
from pathlib import Path
from order_assets.warehouse import engine

engine._MIGRATIONS = Path(sys.argv[1])
engine.migrate(engine.connect(sys.argv[2]))
"""


def release(folder: Path) -> Path:
    """Return a folder with the migrations of this release."""
    return Path(shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__")))


def add_migration(
    folder: Path, statements: Sequence[str] = ("alter table ops.crawls add column newer int",), revision: str = NEWER
) -> Path:
    """Make it those of a newer release."""
    text = _MIGRATION.format(revision=revision, head=HEAD, statements=list(statements))
    (folder / "versions" / f"{revision}_newer.py").write_text(text, encoding="utf-8")
    return folder


def migrate_by(folder: Path, url: str) -> None:
    """Let a process of that release migrate."""
    subprocess.run([sys.executable, "-c", _MIGRATE, str(folder), url], check=True, env=os.environ)  # noqa: S603 - our own

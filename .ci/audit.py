"""Known vulnerabilities of what is locked: `make audit`. Needs pip-audit and its advisory service (PyPI's JSON API).

Exit code 1: a vulnerability is known that `audit-ignores.txt` does not name. Where advisories cannot be had, it says so
and exits 0: a machine without that service can still build.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOCKS = (HERE.parent / "requirements.lock", HERE.parent / "deploy" / "requirements.lock")


def ignores(text: str) -> dict[str, str]:
    """Return what is ignored, by id: lines like `PYSEC-2026-1 why it does not concern us`.

    Raises:
        ValueError: a line names no reason.
    """
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.strip().partition(" ")
            if not reason.strip():
                raise ValueError(f"audit-ignores.txt: {name}: write why it does not concern us")
            found[name] = reason.strip()
    return found


def verdict(document: Mapping[str, Any], ignored: Mapping[str, str]) -> tuple[list[str], int, int]:
    """Return the vulnerabilities that nobody ignored, how many packages were audited, and how many could not be."""
    known, skipped = [], 0
    for package in document["dependencies"]:
        skipped += "skip_reason" in package
        for found in package.get("vulns", []):
            if not {found["id"], *found.get("aliases", [])} & ignored.keys():
                fixed = ", ".join(found["fix_versions"]) or "no release yet"
                known.append(f"{package['name']} {package['version']}: {found['id']} (mended in: {fixed})")
    return known, len(document["dependencies"]) - skipped, skipped


def main() -> int:
    """Audit each lock file; print what was found."""
    ignored = ignores((HERE / "audit-ignores.txt").read_text(encoding="utf-8"))
    vulnerable = False
    for lock in LOCKS:
        command = [
            sys.executable, "-m", "pip_audit", "--vulnerability-service", "pypi", "--disable-pip", "--require-hashes",
            "--requirement", str(lock), "--format", "json", "--progress-spinner", "off",
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - fixed words
        shown = lock.relative_to(HERE.parent)
        if not re.match(r"\s*\{", done.stdout):
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"{shown}: NOT AUDITED, no advisories to be had: {why}")
            continue
        known, audited, skipped = verdict(json.loads(done.stdout), ignored)
        print(f"{shown}: {audited} packages audited, {len(known)} vulnerabilities", *known, sep="\n  ")
        if skipped:
            print(f"  NOT AUDITED: {skipped} packages, on which the advisory service has no answer")
        vulnerable |= bool(known)
    return int(vulnerable)


if __name__ == "__main__":
    sys.exit(main())

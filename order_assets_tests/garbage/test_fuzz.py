"""The fuzzer itself, for a moment; how to let it run for long is in docs/fuzzing.md."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from order_assets_tests.garbage.targets import TARGETS


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this platform")
def test_no_target_breaks_within_a_second(tmp_path: Path) -> None:
    """Without it the long form could rot, and what a second of it finds would wait until somebody runs it."""
    command = [sys.executable, "-m", "order_assets_tests.garbage.fuzz", "--seconds", "1"]
    command += ["--seed", "1", "--work", str(tmp_path)]  # the same mutations each time
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stderr.count("stat::number_of_executed_units") == len(TARGETS)
    assert f"broken: none of {len(TARGETS)} targets" in done.stderr

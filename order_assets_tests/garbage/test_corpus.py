"""Every input that was ever worth keeping, shown to its target again: what was found once stays mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_assets_tests.garbage.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs_break_no_promise(name: str) -> None:
    """Without it, an input that once crashed a decoder, lost an order or hung could do so again."""
    kept = sorted((CORPUS / name).iterdir())
    assert kept
    broken = []
    for path in kept:
        try:
            TARGETS[name](path.read_bytes())
        except Exception as error:  # noqa: BLE001 - all of them are named, not only the first
            broken.append(f"{path.name}: {error!r}")
    assert broken == []

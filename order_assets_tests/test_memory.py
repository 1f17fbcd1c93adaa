"""What is free goes back to the system, and what is there to stay is not looked at for garbage."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import weakref

import pytest

from order_assets import memory

_PROGRAM = """
from pathlib import Path
from order_assets import memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

memory.keep_little()
pieces = [bytes(2_000) for _ in range(50_000)]
last = bytes(2_000)  # as long as it lives, nothing before it is the end of the arena
del pieces
before = resident_mb()
memory.give_back()
print(before - resident_mb())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the GNU C library's")
def test_free_memory_goes_back() -> None:
    """Without it, a run would keep what its largest batch took, until its end."""
    program = [sys.executable, "-c", _PROGRAM]
    ran = subprocess.run(program, capture_output=True, text=True, check=True)  # noqa: S603 - this interpreter
    assert int(ran.stdout) > 80


def test_what_is_there_is_passed_over_for_a_while() -> None:
    """Without it, a load would spend a tenth of its time looking for garbage among Dagster's definitions."""
    with memory.settled():
        assert gc.get_freeze_count() > len(gc.get_objects())
    assert gc.get_freeze_count() == 0


def test_garbage_does_not_stay_for_a_while() -> None:
    """Without it, what a crawl of thousands of accounts left would be held until the load has ended."""

    class Left:
        """Refers to itself, so only a look finds that nobody else does."""

        def __init__(self) -> None:
            self.itself = self

    left = weakref.ref(Left())
    gc.freeze()
    gc.unfreeze()  # into the oldest generation, at which small looks do not look
    with memory.settled():
        assert left() is None

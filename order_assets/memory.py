"""What the process keeps of memory that it no longer uses, and how long it looks for it.

Speaks to the GNU C library, where there is one; nothing is said to another.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_M_ARENA_MAX = -8  # malloc.h
_NEW_OBJECTS = 50_000  # between two looks for garbage while many are made; Python's own is 700


def keep_little() -> None:
    """Let all threads allocate from one arena; else each of eight per core keeps what its largest batch took.

    Takes effect for threads that have not allocated yet, so call it early.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, 1)


@contextmanager
def settled() -> Iterator[None]:
    """Let the garbage collector pass over what is there already, and look less often, while many objects are made.

    Else it goes over libraries and definitions, some 300,000 objects, again and again: a tenth of a load's time.
    """
    before = gc.get_threshold()
    gc.collect()  # what a crawl left would be passed over as well
    give_back()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def give_back() -> None:
    """Give the system what is free, wherever it lies; else only the free end of an arena goes back."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)

"""What the process keeps of memory that it no longer uses, and how long it looks for it.

Speaks to the GNU C library, where there is one; nothing is said to another.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_M_ARENA_MAX = -8  # malloc.h


def keep_little() -> None:
    """Let all threads allocate from one arena; else each of eight per core keeps what its largest batch took.

    Takes effect for threads that have not allocated yet, so call it early.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, 1)


@contextmanager
def settled() -> Iterator[None]:
    """Let the garbage collector pass over what is there already: libraries and definitions, some 300,000 objects.

    Else it goes over them again and again while many objects are made, a tenth of the time that is spent on those.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def give_back() -> None:
    """Give the system what is free, wherever it lies; else only the free end of an arena goes back."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)

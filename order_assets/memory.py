"""What the process keeps of memory that it no longer uses. Speaks to the GNU C library; does nothing with another."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # malloc.h


def keep_little() -> None:
    """Let all threads allocate from one arena; else each of eight per core keeps what its largest batch took.

    Takes effect for threads that have not allocated yet, so call it early.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give the system what is free, wherever it lies; else only the free end of an arena goes back."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)

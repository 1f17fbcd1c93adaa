"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    `check` is stable, for programs. "problem": a run, or a part of it, cannot succeed like this; "warning": it can, but
    somebody should know. `remedy` says what to do, and is empty where nothing is to be done.
    """

    check: str
    level: Level
    words: str
    remedy: str = ""


def ok(check: str, words: str) -> Finding:
    """Return that all is well."""
    return Finding(check, "ok", words)


def warning(check: str, words: str, remedy: str) -> Finding:
    """Return something that somebody should know."""
    return Finding(check, "warning", words, remedy)


def problem(check: str, words: str, remedy: str) -> Finding:
    """Return something that must be mended."""
    return Finding(check, "problem", words, remedy)

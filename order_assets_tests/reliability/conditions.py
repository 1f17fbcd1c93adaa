"""What can be odd about a run's machine or release, brought about inside its process; see `victim.Victim`."""

from __future__ import annotations

import resource
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

from order_assets.warehouse import engine


def little_memory() -> None:
    """Allow hardly more memory than the process has now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a path of the kernel
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 24 * 2**20, now + 24 * 2**20))


def clock_ahead() -> None:
    """Let the process believe that it is three days later."""
    _shift(timedelta(days=3))


def clock_behind() -> None:
    """Let the process believe that it is two hours earlier."""
    _shift(timedelta(hours=-2))


def newer_release(migrations: Path, patience_seconds: float) -> None:
    """Let the process be of a release with these migrations."""
    engine._MIGRATIONS = migrations
    engine._PATIENCE_SECONDS = patience_seconds


def _shift(by: timedelta) -> None:
    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + by

    for name, module in list(sys.modules.items()):
        if name.startswith("order_assets.") and getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted  # type: ignore[attr-defined]

"""A picture small enough to stand in a table of the Dagster UI, which hides Markdown of 1,000 characters or more."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from order_assets.report.drawing import SERIES, number

_WIDTH, _HEIGHT = 240, 36
MOST = 40
"""Values a glance has room for."""


def glance(values: Sequence[Decimal]) -> str:
    """Return the newest values as bars, oldest first: one path, a few hundred characters of SVG."""
    heights = [number(value) for value in values[-MOST:]]
    highest, lowest = max([0.0, *heights]), min([0.0, *heights])
    scale = (_HEIGHT - 2) / ((highest - lowest) or 1.0)
    step = _WIDTH / max(1, len(heights))
    zero = round(1 + highest * scale)
    bars = "".join(f"M{round((i + 0.5) * step)} {zero}v{round(-height * scale)}" for i, height in enumerate(heights))
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}'>"
        f"<path stroke='{SERIES[0]}' stroke-width='{max(1, round(step * 0.8))}' d='{bars}'/></svg>"
    )

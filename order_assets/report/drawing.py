"""How all pictures look: matplotlib figures as SVG that is small, accessible, prints well and knows dark screens.

Nothing here touches pyplot. Text is inert: no mathematics (`$`), no control or direction characters, a fixed length.
The same data give the same bytes: no dates, no random ids. matplotlib takes a second to import, so that is done where
something is drawn, not where definitions are loaded.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER, INK, MUTED, GRID = "#ffffff", "#24292f", "#656d76", "#d8dee4"
"""Colours of light pages; a dark screen has its own for these four."""
SERIES = ("#3b82c4", "#e08a1e", "#2f9e6e", "#b565c9", "#c44545", "#8a8f98")
"""Colours of data, to be told apart on light and on dark pages and by most colour-blind people."""
LONGEST_LABEL = 30
_LONGEST_DESCRIPTION = 1500
_KEPT = 4  # pictures of one kind
T = TypeVar("T")

_SVG = "{http://www.w3.org/2000/svg}"
_REFERENCE = re.compile(r"(url\(#|^#)([\w-]+)")
_CLASS = "order-assets-plot"
_DARK = {PAPER: "#161b22", INK: "#e6edf3", MUTED: "#9aa4af", GRID: "#373e47"}
_FONT = "system-ui,'Segoe UI',Roboto,'Noto Sans','Noto Sans CJK SC',sans-serif"
_LOOK: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "order-assets",
    "text.parse_math": False,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.bottom": False,
    "ytick.left": False,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture: a name for addresses, its title, what it shows in words, and the SVG with all three."""

    name: str
    title: str
    description: str
    svg: str

    def data_uri(self) -> str:
        """Return the picture as a link that needs no network; inert in Markdown, and PostgreSQL compresses it well."""
        return as_data_uri(self.svg)


def as_data_uri(svg: str) -> str:
    """Return an SVG as a data link without a character that ends, escapes or quotes anything in Markdown."""
    return "data:image/svg+xml," + quote(svg, safe="=/:;,.-_'")


def plain(text: str, longest: int = LONGEST_LABEL) -> str:
    """Return text of others as a label: one line, no control or direction characters, not too long.

    Escaping is the writer's; `<`, `$` and the like stay what they are, characters.
    """
    visible = "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in text)
    line = " ".join(visible.split())
    # matplotlib takes labels that begin with an underscore for private ones and leaves them out.
    line = f"\N{RIGHT SINGLE QUOTATION MARK}{line}" if line.startswith("_") else line
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def compact(value: float) -> str:
    """Return an amount for an axis: 1.5k, 12M."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def percent(value: float) -> str:
    """Return a fraction as a percentage for an axis."""
    return f"{value * 100:.3g} %"


def number(value: Decimal | None) -> float:
    """Return an exact value as a height on paper, which is the only place where money is a float."""
    return float("nan") if value is None else float(value)


def value_axis(axes: Axes, write: Callable[[float], str]) -> None:
    """Set few, written-out ticks on the vertical axis."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axes.margins(x=0.02)


def period_axis(axes: Axes, periods: Iterable[date], *, is_daily: bool, most: int = 6) -> None:
    """Label a horizontal axis of consecutive periods, at most so many of them."""
    starts = list(periods)
    every = max(1, -(-len(starts) // most))
    shown = range((len(starts) - 1) % every, len(starts), every)  # the newest is always one of them
    axes.set_xticks(list(shown), [f"{starts[i]:%m-%d}" if is_daily else f"{starts[i]:%Y-%m}" for i in shown])


def key(figure: Figure, names: Iterable[tuple[str, str]]) -> None:
    """Explain colours below the figure: names with their colour."""
    from matplotlib.patches import Patch

    pairs = [(plain(name), colour) for name, colour in names]
    figure.legend(
        [Patch(color=colour) for _, colour in pairs], [name for name, _ in pairs],
        loc="outside lower left", ncols=min(len(pairs), 6), handlelength=1, handleheight=1,
    )  # fmt: skip


def drawn_once(plot: Callable[[T], Picture]) -> Callable[[T], Picture]:
    """Keep a plot's newest pictures: those that a run shows of its tables are the report's as well."""
    kept: dict[str, Picture] = {}

    @wraps(plot)
    def kept_or_drawn(data: T) -> Picture:
        what = repr(data)  # of small frozen objects, which say all that is drawn
        if what not in kept:
            while len(kept) >= _KEPT:
                del kept[next(iter(kept))]
            kept[what] = plot(data)
        return kept[what]

    return kept_or_drawn


def draw(name: str, title: str, description: str, size: tuple[float, float], fill: Callable[[Figure], None]) -> Picture:
    """Return the picture that `fill` draws on an empty figure of `size` (inches, 96 pixels each).

    `name` begins every id, so that several pictures can stand on one page.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # whatever matplotlibrc the machine has
        mpl.rcParams.update(_LOOK)
        # Glyphs our font lacks (Chinese store names) are written as text; the reader's fonts have them.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        fill(figure)
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    description = plain(description, _LONGEST_DESCRIPTION)  # it names what the labels name
    return Picture(name, title, description, _finished(written.getvalue(), name, title, description))


def nothing(name: str, title: str) -> Picture:
    """Return the picture of no data, which says so."""

    def fill(figure: Figure) -> None:
        figure.text(0.5, 0.5, "No data yet", ha="center", va="center", color=MUTED, size=12)

    return draw(name, title, "There are no data yet.", (9, 1.2), fill)


def _finished(svg: bytes, mark: str, title: str, description: str) -> str:
    """Return the SVG with title and description, and a third as long: styles as classes, short names and numbers."""
    for prefix, space in (("", _SVG[1:-1]), ("xlink", "http://www.w3.org/1999/xlink")):
        ET.register_namespace(prefix, space)
    root = ET.fromstring(svg)  # noqa: S314 - written by matplotlib a line above
    for element in [e for e in root if e.tag == f"{_SVG}metadata" or e.find(f"{_SVG}style") is not None]:
        root.remove(element)  # matplotlib's style would hold on the whole page that shows the picture
    referred = [m[2] for e in root.iter() for value in e.attrib.values() for m in _REFERENCE.finditer(value)]
    names = {old: f"{mark}-{number}" for number, old in enumerate(dict.fromkeys(referred))}
    styles: dict[str, str] = {}
    for element in root.iter():
        element.attrib = _shortened(element.attrib, names, styles)
    _unwrap(root)
    root.attrib |= {"id": mark, "class": _CLASS, "role": "img", "aria-labelledby": f"{mark}-title {mark}-desc"}
    parts: list[tuple[str, str, dict[str, str]]] = [
        ("title", title, {"id": f"{mark}-title"}),
        ("desc", description, {"id": f"{mark}-desc"}),
        ("style", _style_sheet(mark, styles), {}),
    ]
    for place, (tag, text, attributes) in enumerate(parts):
        element = ET.Element(f"{_SVG}{tag}", attributes)
        element.text = text
        root.insert(place, element)
    return re.sub(r">\s+<", "><", ET.tostring(root, encoding="unicode"))


def _shortened(attributes: dict[str, str], names: dict[str, str], styles: dict[str, str]) -> dict[str, str]:
    """Return an element's attributes with ids only where they are referred to, and its style as a class."""
    short: dict[str, str] = {}
    for name, value in attributes.items():
        if name == "id":
            if value in names:
                short["id"] = names[value]
        elif name == "style":
            written = re.sub(r"font: ([^;]*?)([\d.]+px) [^;]*", r"font-size: \2; \1", value)
            parts = [part.strip() for part in written.split(";")]
            rules = "; ".join(part for part in parts if part and not part.startswith("font-family"))
            short["class"] = styles.setdefault(rules, f"s{len(styles)}")
        elif name == "transform" and value.startswith("rotate(-0 "):
            pass
        elif name in {"d", "transform", "x", "y", "width", "height"}:
            rounded = re.sub(r"-?\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), value)
            short[name] = " ".join(rounded.split())
        else:
            short[name] = _REFERENCE.sub(lambda m: f"{m[1]}{names.get(m[2], m[2])}", value)
    return short


def _unwrap(parent: ET.Element) -> None:
    """Replace groups that carry nothing by what is in them."""
    children: list[ET.Element] = []
    for child in parent:
        _unwrap(child)
        children += list(child) if child.tag == f"{_SVG}g" and not child.attrib else [child]
    parent[:] = children


def _style_sheet(mark: str, styles: dict[str, str]) -> str:
    """Return the styles as rules that hold in this picture only; on dark screens the page's colours turn."""
    every = {"": "max-width:100%;height:auto", " text": f"font-family:{_FONT}", " *": "stroke-linejoin:round"}
    rules = [f"#{mark}{what}{{{rule}}}" for what, rule in every.items()]
    dark = []
    for style, name in styles.items():
        rules.append(f"#{mark} .{name}{{{style}}}")
        turned = [rule.replace(light, _DARK[light]) for rule in style.split("; ") for light in _DARK if light in rule]
        if turned:
            dark.append(f"#{mark} .{name}{{{'; '.join(turned)}}}")
    return f"{''.join(rules)}@media screen and (prefers-color-scheme:dark){{{''.join(dark)}}}"


def panels(figure: Figure, rows: int, columns: int, **how: Any) -> list[list[Axes]]:
    """Return the axes of a grid, row by row."""
    grid = figure.subplots(rows, columns, squeeze=False, **how)
    return [list(row) for row in grid]

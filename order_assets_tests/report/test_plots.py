"""Pictures: valid, accessible, the same each time, and inert whatever the labels are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import unquote

import pytest

from order_assets.report import plots
from order_assets.report.data import (
    STEPS,
    AccountHealth,
    Cohort,
    DiscountMix,
    Duration,
    Lifecycle,
    Retention,
    Revenue,
    RevenueTrend,
    months_before,
)
from order_assets.report.drawing import LONGEST_LABEL, Picture, plain
from order_assets.report.glance import glance

SVG = "{http://www.w3.org/2000/svg}"
MONTHS = tuple(months_before(date(2026, 10, 1), n) for n in range(23, -1, -1))
HOSTILE = (
    "$x^2_{bad}$ costs $5",
    "<script>alert(1)</script>",
    "](javascript:alert(1)) **bold** `code`",
    "a\u202eevil\u2066\x00\x1b[31m\nline",
    "_private",
    "商店" * 40,
    "&amp;&#x3c;b&#x3e;",
    "\ud800 half of a character",
)


def revenue(currencies: Sequence[str] = ("HKD", "IDR")) -> RevenueTrend:
    """A trend that grows, each currency at its own size."""
    return RevenueTrend(
        "month",
        {
            currency: tuple(
                Revenue(m, Decimal(9 * (i + 1)) * 10**n, Decimal(10 * (i + 1)) * 10**n, Decimal(i + 1) * 10**n)
                for i, m in enumerate(MONTHS)
            )
            for n, currency in enumerate(currencies)
        },
    )


def mix(kinds: Sequence[str] = ("product", "code")) -> DiscountMix:
    """Discounts of two currencies."""
    amounts = tuple(Decimal(n) for n in range(len(MONTHS)))
    return DiscountMix(MONTHS, {currency: dict.fromkeys(kinds, amounts) for currency in ("HKD", "IDR")})


def cohorts(name: str = "scalev IDR") -> Retention:
    """Three cohorts, the newest without a month behind it."""
    found = [Cohort(m, 10, tuple(Decimal("0.5") for _ in range(2 - i))) for i, m in enumerate(MONTHS[-3:])]
    return Retention({name: tuple(found)})


def lifecycle(store: str = "Example Store") -> Lifecycle:
    """One store with a month in which nothing was measured."""
    points = [Duration(m, Decimal(3600), Decimal(90000), Decimal(900000)) for m in MONTHS[-3:]]
    points[1] = Duration(MONTHS[-2], None, None, None)
    return Lifecycle({store: dict.fromkeys(STEPS, tuple(points))}, left_out=2)


def health(reason: str = "token_expired") -> AccountHealth:
    """Accounts of both sources, three of them failed."""
    return AccountHealth(
        {"ktsp": {"complete": 5, "failed": 3}, "scalev": {"complete": 9, "never crawled": 1}},
        {"active": 15, "needs_sign_in": 3},
        {reason: 3},
        ("ktsp/KT00000001", datetime(2026, 10, 1, 12, tzinfo=UTC)),
    )


PICTURES: dict[str, Callable[[], Picture]] = {
    "revenue": lambda: plots.revenue_trend(revenue()),
    "days": lambda: plots.revenue_trend(RevenueTrend("day", revenue().series)),
    "mix": lambda: plots.discount_mix(mix()),
    "cohorts": lambda: plots.cohort_heat_map(cohorts()),
    "lifecycle": lambda: plots.lifecycle_percentiles(lifecycle()),
    "accounts": lambda: plots.account_health(health()),
}
EMPTY: dict[str, Callable[[], Picture]] = {
    "revenue": lambda: plots.revenue_trend(RevenueTrend("month", {})),
    "mix": lambda: plots.discount_mix(DiscountMix((), {})),
    "cohorts": lambda: plots.cohort_heat_map(Retention({})),
    "cohorts of this month": lambda: plots.cohort_heat_map(Retention({"a": (Cohort(MONTHS[-1], 3, ()),)})),
    "lifecycle": lambda: plots.lifecycle_percentiles(Lifecycle({})),
    "accounts": lambda: plots.account_health(AccountHealth({}, {}, {})),
}


def texts(picture: Picture) -> list[str]:
    """Return every text that is drawn."""
    root = ET.fromstring(picture.svg)  # noqa: S314 - our own
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_says_what_it_is(name: str) -> None:
    """Without it, people who cannot see it would get nothing, and browsers could show broken XML."""
    picture = PICTURES[name]()
    root = ET.fromstring(picture.svg)  # noqa: S314 - our own
    title, description = root[0], root[1]
    assert (title.tag, title.text) == (f"{SVG}title", picture.title)
    assert (description.tag, description.text) == (f"{SVG}desc", picture.description)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], description.attrib["id"]]
    assert texts(picture)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_stands_alone(name: str) -> None:
    """Without it, a page with two pictures would mix up their styles, or a picture would ask the network."""
    picture = PICTURES[name]()
    ids = re.findall(r'\bid="([^"]+)"', picture.svg)
    assert len(ids) == len(set(ids))
    assert all(found == picture.name or found.startswith(f"{picture.name}-") for found in ids)
    referred = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', picture.svg))
    assert {a or b for a, b in referred} <= set(ids)
    (style,) = re.findall(r"<style>(.*?)</style>", picture.svg)
    selectors = re.findall(r"(?:^|[{}])([^{}@]+)\{", style)
    assert all(selector.startswith(f"#{picture.name}") for selector in selectors)
    links = re.findall(r'(?:href|src)="([^"#][^"]{0,30})', picture.svg)
    assert all(link.startswith("data:image/png;base64,") for link in links)


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_data_are_the_same_bytes_and_few(name: str) -> None:
    """Without it, every run would store another picture of the same numbers, and events would grow."""
    picture = PICTURES[name]()
    assert picture == PICTURES[name]()
    assert len(picture.data_uri()) < 40_000
    assert "2026-11" not in picture.svg  # no date of drawing


@pytest.mark.parametrize("name", EMPTY)
def test_no_data_is_a_picture_that_says_so(name: str) -> None:
    """Without it, the first run on an empty database would fail, or show axes around nothing."""
    assert texts(EMPTY[name]()) == ["No data yet"]


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", ["revenue", "mix", "cohorts", "lifecycle", "accounts"])
def test_text_of_others_is_inert(name: str, label: str) -> None:
    """Without it, a store named `$` would stop a summary, and one named `<script>` could act in the report."""
    picture = {
        "revenue": lambda: plots.revenue_trend(revenue([label])),
        "mix": lambda: plots.discount_mix(mix([label])),
        "cohorts": lambda: plots.cohort_heat_map(cohorts(label)),
        "lifecycle": lambda: plots.lifecycle_percentiles(lifecycle(label)),
        "accounts": lambda: plots.account_health(health(label)),
    }[name]()
    assert {e.tag for e in ET.fromstring(picture.svg).iter()} <= {  # noqa: S314 - our own
        f"{SVG}{tag}"
        for tag in ("svg", "title", "desc", "style", "defs", "clipPath", "g", "path", "rect", "use", "text", "image")
    }
    drawn = " ".join(texts(picture))
    assert plain(label)[:10] in drawn
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", picture.svg)
    uri = picture.data_uri()
    assert re.fullmatch(r"[\w%+=/:;,.'-]+", uri, re.ASCII)  # nothing that Markdown could take for its own
    assert unquote(uri.removeprefix("data:image/svg+xml,")) == picture.svg


def test_a_label_is_one_short_line() -> None:
    """Without it, one long name would leave no room for the data."""
    assert plain("a\nb\t c\u2028d") == "a b c d"
    assert len(plain("x" * 500)) == LONGEST_LABEL
    assert plain("$5 <b>") == "$5 <b>"


def test_currencies_never_share_an_axis() -> None:
    """Without it, rupiah would flatten dollars to nothing, and heights would compare what cannot be compared."""
    picture = plots.revenue_trend(revenue(["HKD", "IDR", "USD"]))
    panels = re.findall(r"(\w+): net sales", " ".join(texts(picture)))
    assert panels == ["HKD", "IDR", "USD"]
    corners = re.findall(r'<path d="M [\d.]+ ([\d.]+) L [\d.]+ \1 L [\d.]+ ([\d.]+) L [\d.]+ \2 z"', picture.svg)
    heights = [float(base) - float(top) for base, top in corners][1:]  # the first is the paper
    assert len(heights) == 3 * len(MONTHS)
    # Each currency has ten times the revenue of the one before, and bars as tall: a scale of its own.
    tallest = [max(heights[n : n + len(MONTHS)]) for n in range(0, len(heights), len(MONTHS))]
    assert max(tallest) - min(tallest) < 1
    by_currency = re.findall(r"(\w+): discounts(?! /)", " ".join(texts(plots.discount_mix(mix()))))
    assert by_currency == ["HKD", "IDR"]


def test_what_has_no_room_is_named() -> None:
    """Without it, a currency that is not drawn would look as if it had no revenue."""
    trend = revenue()
    picture = plots.revenue_trend(RevenueTrend("month", trend.series, left_out=("AED", "USD")))
    assert "Also in the table, not in the picture: AED, USD" in texts(picture)
    assert "2 more stores with fewer orders are in the table" in texts(plots.lifecycle_percentiles(lifecycle()))


def test_a_share_of_several_days_is_a_ratio_of_sums() -> None:
    """Without it, a day with one discounted order would weigh as much as a day with a thousand."""
    days = enumerate([("0", "0"), ("900", "0"), ("100", "50")], start=1)
    points = [Revenue(date(2026, 1, day), Decimal(0), Decimal(gross), Decimal(off)) for day, (gross, off) in days]
    assert plots.discount_shares(points, 1) == [None, Decimal(0), Decimal("0.5")]
    assert plots.discount_shares(points, 7) == [None, Decimal(0), Decimal("0.05")]


def test_odd_amounts_are_drawn() -> None:
    """Without it, a refund, a surcharge or an absurd price at a source would stop its summary."""
    odd = [Decimal(-5), Decimal(0), Decimal("99999999999999.9999")]
    series = {"IDR": tuple(Revenue(m, a, a, -a) for m, a in zip(MONTHS, odd, strict=False))}
    assert texts(plots.revenue_trend(RevenueTrend("month", series)))
    assert texts(plots.discount_mix(DiscountMix(MONTHS[:3], {"IDR": {"code": tuple(odd), "product": tuple(odd)}})))


@pytest.mark.parametrize(
    "values", [[], [Decimal(0)], [Decimal(n - 20) for n in range(92)], [Decimal(10**15)] * 92], ids=range(4)
)
def test_a_glance_is_small_enough_to_be_shown(values: list[Decimal]) -> None:
    """Without it, the UI of Dagster would hide it behind a click."""
    svg = glance(values)
    ET.fromstring(svg)  # noqa: S314 - our own
    assert len(svg) < 650

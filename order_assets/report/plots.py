"""One function per picture: what it shows in, an SVG out. Pure; currencies never share an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from order_assets.report.data import (
    COHORTS,
    STEPS,
    AccountHealth,
    Cohort,
    DiscountMix,
    Duration,
    Lifecycle,
    Retention,
    Revenue,
    RevenueTrend,
)
from order_assets.report.drawing import (
    INK,
    MUTED,
    SERIES,
    Picture,
    compact,
    draw,
    drawn_once,
    key,
    nothing,
    number,
    panels,
    percent,
    period_axis,
    plain,
    value_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 9.0
_DAYS_OF_SHARE = 7
_KINDS = {
    "product": ("product", SERIES[0]),
    "code": ("code", SERIES[1]),
    "shipping": ("shipping", SERIES[2]),
    "unique_code": ("unique code (technical)", SERIES[5]),
    "order": ("order (KTSP)", SERIES[3]),
}
_VERDICTS = {
    "complete": SERIES[2],
    "incomplete": SERIES[1],
    "parked": SERIES[0],
    "failed": SERIES[4],
    "never crawled": SERIES[5],
}
_HEAT = ("#e3eef9", "#3b82c4", "#123a63")
_ON_DARK, _ON_LIGHT = "#fdfdfd", "#111111"
_HOUR, _DAY = 3600, 86400
_REASONS_SHOWN = 8


@drawn_once
def revenue_trend(trend: RevenueTrend) -> Picture:
    """Return net sales and the share of discounts over time, a row per currency."""
    is_daily = trend.grain == "day"
    title = f"Revenue and discount share by {trend.grain}"
    if not any(trend.series.values()):
        return nothing(f"revenue-{trend.grain}", title)

    def fill(figure: Figure) -> None:
        grid = panels(figure, len(trend.series), 2, width_ratios=[3, 2])
        for (currency, points), (left, right) in zip(trend.series.items(), grid, strict=True):
            places = range(len(points))
            heights = [number(p.net_sales) for p in points]
            if is_daily:  # one shape; as bars they would be half of the file
                left.fill_between(places, heights, step="mid", color=SERIES[0], linewidth=0)
            else:
                left.bar(places, heights, color=SERIES[0])
            left.set_title(f"{plain(currency)}: net sales")
            value_axis(left, compact)
            shares = [number(share) for share in discount_shares(points, _DAYS_OF_SHARE if is_daily else 1)]
            right.plot(places, shares, color=SERIES[1])
            right.set_title(f"{plain(currency)}: discounts / gross sales" + (", over 7 days" if is_daily else ""))
            value_axis(right, percent)
            right.set_ylim(bottom=min([0.0, *(s for s in shares if s == s)]))  # noqa: PLR0124 - NaN is no height
            for axes, most in ((left, 6), (right, 4)):
                period_axis(axes, [p.period for p in points], is_daily=is_daily, most=most)
        _note(figure, trend.left_out)

    description = "; ".join(
        f"{currency}: net sales {_exact(points[-1].net_sales)} in the newest {trend.grain}"
        f" ({points[-1].period:%Y-%m-%d}), {_exact(sum((p.net_sales for p in points), Decimal(0)))} since"
        f" {points[0].period:%Y-%m-%d}"
        for currency, points in trend.series.items()
    )
    return draw(f"revenue-{trend.grain}", title, f"{description}.", (_WIDTH, 0.4 + 1.9 * len(trend.series)), fill)


def discount_shares(points: Sequence[Revenue], span: int) -> list[Decimal | None]:
    """Return discounts on goods / gross sales of the `span` periods up to each one; None without sales."""
    shares: list[Decimal | None] = []
    for end in range(1, len(points) + 1):
        window = points[max(0, end - span) : end]
        gross = sum((p.gross_sales for p in window), Decimal(0))
        shares.append(sum((p.sales_discount for p in window), Decimal(0)) / gross if gross else None)
    return shares


@drawn_once
def discount_mix(mix: DiscountMix) -> Picture:
    """Return the discounts of each month stacked by kind, a panel per currency."""
    title = "Discount mix by month"
    if not mix.by_currency:
        return nothing("discount-mix", title)

    def fill(figure: Figure) -> None:
        (row,) = panels(figure, 1, len(mix.by_currency))
        for (currency, kinds), axes in zip(mix.by_currency.items(), row, strict=True):
            _stack(axes, kinds, len(mix.months))
            axes.set_title(f"{plain(currency)}: discounts")
            value_axis(axes, compact)
            period_axis(axes, mix.months, is_daily=False, most=max(2, 8 // len(mix.by_currency)))
        present = sorted({kind for kinds in mix.by_currency.values() for kind in kinds}, key=_place)
        key(figure, [_kind(name) for name in present])
        _note(figure, mix.left_out)

    words = []
    for currency, kinds in mix.by_currency.items():
        sums = {kind: sum(amounts, Decimal(0)) for kind, amounts in kinds.items()}
        words.append(f"{currency}: " + ", ".join(f"{_kind(kind)[0]} {_exact(value)}" for kind, value in sums.items()))
    description = f"Since {mix.months[0]:%Y-%m}: {'; '.join(words)}."
    return draw("discount-mix", title, description, (_WIDTH, 3.2), fill)


def _stack(axes: Axes, kinds: Mapping[str, Sequence[Decimal]], count: int) -> None:
    above, below = [0.0] * count, [0.0] * count  # a negative discount (a surcharge) goes below the line
    for kind in sorted(kinds, key=_place):
        heights = [number(amount) for amount in kinds[kind]]
        bottoms = [above[i] if height >= 0 else below[i] for i, height in enumerate(heights)]
        axes.bar(range(count), heights, bottom=bottoms, color=_kind(kind)[1])
        for i, height in enumerate(heights):
            if height >= 0:
                above[i] += height
            else:
                below[i] += height


def _kind(kind: str) -> tuple[str, str]:
    return _KINDS.get(kind, (kind, SERIES[4]))


def _place(kind: str) -> tuple[int, str]:
    return (list(_KINDS).index(kind) if kind in _KINDS else len(_KINDS), kind)


@drawn_once
def cohort_heat_map(found: Retention) -> Picture:
    """Return which share of each cohort bought again in each month after its first, a panel per source and currency."""
    title = "Customers who buy again, by cohort"
    groups = {name: cohorts for name, cohorts in found.groups.items() if any(c.retention for c in cohorts)}
    if not groups:
        return nothing("cohorts", title)

    def fill(figure: Figure) -> None:
        (row,) = panels(figure, 1, len(groups))
        for (name, cohorts), axes in zip(groups.items(), row, strict=True):
            _heat(axes, cohorts)
            axes.set_title(f"{plain(name)}: bought again, %")
            axes.set_xlabel("months after the first order")

    words = []
    for name, cohorts in groups.items():
        firsts = [(c.size, c.retention[0]) for c in cohorts if c.retention]
        people = sum(size for size, _ in firsts)
        again = sum((rate * size for size, rate in firsts), Decimal(0))
        words.append(f"{name}: {again / people:.1%} of {people} customers bought in the month after their first")
    height = 1.1 + 0.24 * max(len(cohorts) for cohorts in groups.values())
    return draw("cohorts", title, f"{'; '.join(words)}.", (_WIDTH, height), fill)


def _heat(axes: Axes, cohorts: Sequence[Cohort]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    rates = [[number(r) for r in c.retention] + [float("nan")] * (COHORTS - len(c.retention)) for c in cohorts]
    highest = max([0.01, *(rate for cohort in cohorts for rate in map(float, cohort.retention))])
    colours = LinearSegmentedColormap.from_list("retention", _HEAT)
    axes.imshow(rates, cmap=colours, vmin=0, vmax=highest, aspect="auto", interpolation="nearest")
    for y, cohort in enumerate(cohorts):
        for x, rate in enumerate(map(float, cohort.retention)):
            colour = _ON_DARK if rate > highest / 2 else _ON_LIGHT
            axes.text(x, y, f"{rate * 100:.0f}", ha="center", va="center", size=7, color=colour)
    axes.set_xticks(range(COHORTS), [str(n + 1) for n in range(COHORTS)])
    axes.set_yticks(range(len(cohorts)), [f"{c.month:%Y-%m} ({c.size})" for c in cohorts])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


@drawn_once
def lifecycle_percentiles(found: Lifecycle) -> Picture:
    """Return how long each step took by month of order: a row per store, a column per step."""
    title = "How long orders take"
    if not found.stores:
        return nothing("lifecycle", title)

    def fill(figure: Figure) -> None:
        grid = panels(figure, len(found.stores), len(STEPS), sharey="col")
        for column, step in enumerate(STEPS):
            unit, name = _unit([by_step[step] for by_step in found.stores.values()])
            for (store, by_step), row in zip(found.stores.items(), grid, strict=True):
                axes, points = row[column], by_step[step]
                places = range(len(points))
                p50, p90, p95 = ([_in(value, unit) for value in line] for line in _lines(points))
                axes.fill_between(places, p50, p90, color=SERIES[0], alpha=0.25, linewidth=0)
                axes.plot(places, p95, color=SERIES[5], linewidth=1, linestyle=":")
                axes.plot(places, p50, color=SERIES[0])
                value_axis(axes, compact)
                axes.set_ylim(bottom=0)
                starts = [p.month for p in points]
                shown = sorted({0, len(starts) - 1})
                axes.set_xticks(shown, [f"{starts[i]:%Y-%m}" for i in shown])
                if row is grid[0]:
                    axes.set_title(f"{step.replace('_', ' ')}, {name}", size=8)
                if column == 0:
                    axes.set_ylabel(plain(store, 24), color=INK)
        key(figure, [("median to 90th percentile", SERIES[0]), ("95th percentile", SERIES[5])])
        others = f"{found.left_out} more stores with fewer orders are in the table" if found.left_out else ""
        _note(figure, (), others)

    description = "; ".join(
        f"{plain(store)}: " + ", ".join(f"{step.replace('_', ' ')} {_newest_median(by[step])}" for step in STEPS)
        for store, by in found.stores.items()
    )
    height = 0.9 + 1.45 * len(found.stores)
    return draw("lifecycle", title, f"Median of the newest month with orders. {description}.", (_WIDTH, height), fill)


def _lines(points: Sequence[Duration]) -> tuple[list[Decimal | None], ...]:
    return [p.p50 for p in points], [p.p90 for p in points], [p.p95 for p in points]


def _in(seconds: Decimal | None, unit: int) -> float:
    return number(seconds) / unit


def _unit(series: Sequence[Sequence[Duration]]) -> tuple[int, str]:
    longest = max([Decimal(0), *(p.p95 for points in series for p in points if p.p95 is not None)])
    return (_DAY, "days") if longest > 2 * _DAY else (_HOUR, "hours")


def _newest_median(points: Sequence[Duration]) -> str:
    medians = [p.p50 for p in points if p.p50 is not None]
    if not medians:
        return "not measured"
    return f"{medians[-1] / _HOUR:.1f} hours" if medians[-1] < 2 * _DAY else f"{medians[-1] / _DAY:.1f} days"


@drawn_once
def account_health(health: AccountHealth) -> Picture:
    """Return how the last crawls of all accounts ended, by source, and why some did not end complete."""
    title = "Accounts by last crawl"
    if not health.total:
        return nothing("accounts", title)
    reasons = dict(list(health.reasons.items())[:_REASONS_SHOWN])

    def fill(figure: Figure) -> None:
        columns = 2 if reasons else 1
        (row,) = panels(figure, 1, columns, width_ratios=[3, 2][:columns])
        _verdict_bars(row[0], health)
        key(figure, [(f"{name} {count}", _VERDICTS.get(name, MUTED)) for name, count in _verdict_counts(health)])
        if reasons:
            _bars_with_counts(row[1], reasons)
            row[1].set_title("not complete because")

    counts = ", ".join(f"{count} {name}" for name, count in _verdict_counts(health))
    why = ", ".join(f"{count} {plain(name)}" for name, count in health.reasons.items()) or "none"
    oldest = health.oldest_success
    last = f"{plain(oldest[0], 60)}, {oldest[1]:%Y-%m-%d %H:%M} UTC" if oldest else "none"
    description = f"{health.total} accounts: {counts}. Failures: {why}. Oldest last success: {last}."
    return draw("accounts", title, description, (_WIDTH, 1.3 + 0.26 * max(2, len(reasons))), fill)


def _verdict_counts(health: AccountHealth) -> list[tuple[str, int]]:
    sums = {
        name: sum(counts.get(name, 0) for counts in health.verdicts.values())
        for name in dict.fromkeys([*_VERDICTS, *(name for counts in health.verdicts.values() for name in counts)])
    }
    return [(name, count) for name, count in sums.items() if count]


def _verdict_bars(axes: Axes, health: AccountHealth) -> None:
    sources = list(health.verdicts)
    lefts = [0] * len(sources)
    for name, _ in _verdict_counts(health):
        widths = [health.verdicts[source].get(name, 0) for source in sources]
        axes.barh(range(len(sources)), widths, left=lefts, color=_VERDICTS.get(name, MUTED))
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.set_yticks(range(len(sources)), [plain(source) for source in sources])
    axes.invert_yaxis()
    axes.set_title("accounts by last crawl")
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.margins(y=0.1)


def _bars_with_counts(axes: Axes, counts: Mapping[str, int]) -> None:
    bars = axes.barh(range(len(counts)), list(counts.values()), color=SERIES[4])
    axes.bar_label(bars, padding=3)
    axes.set_yticks(range(len(counts)), [plain(name) for name in counts])
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xticks([])


def _note(figure: Figure, left_out: Sequence[str], words: str = "") -> None:
    """Say below the picture what it has no room for."""
    if left_out:
        words = f"Also in the table, not in the picture: {plain(', '.join(left_out), 80)}"
    if words:
        figure.supxlabel(words, size=8, color=MUTED, x=0.01, ha="left")


def _exact(amount: Decimal) -> str:
    return f"{amount:,.2f}"

"""The registry of metrics: each measure column of a summary, defined once.

From it come the SQL of the summaries, the columns and comments of their tables, what Dagster shows, and
docs/metrics.md. A metric is never written down twice; a new one is one entry here or in `metrics_registry`, which
holds the second half. Dimensions and keys of the tables are in `schema` and `summary_schema`.

Vocabulary (model.md section 3): R = recognised orders, L = lost, P = placed (recognised, open or lost). A sum over
no rows is 0; a measure the source does not have is NULL; a ratio with denominator 0 is NULL. Ratios are ratios of
sums unless their name says otherwise, rounded half away from zero, once. A rate of 1000 or more is NULL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal[
    "orders", "customers", "parcels", "units", "stores", "movements", "days",
    "money", "rate", "mean days", "seconds", "date", "flag", "text",
]  # fmt: skip
Kind = Literal[
    "count", "distinct", "sum", "mean", "percentile", "min", "max", "latest", "derived", "cumulative", "ratio"
]
Axis = Literal["time", "store", "currency"]
PLACES: dict[Unit, int] = {"money": 4, "rate": 6, "mean days": 4, "seconds": 1}
LARGEST_RATE = 1000  # numeric(9,6) holds less; a discount of a thousand times its basis says nothing as a rate

RECOGNISED = "f.revenue_class = 'recognised'"
OPEN = "f.revenue_class = 'open'"
LOST = "f.revenue_class = 'lost'"
PLACED = "f.revenue_class in ('recognised', 'open', 'lost')"
HAS_MONEY = "f.currency_code <> 'XXX'"
HAS_STATUS = "f.source_system <> 'ktsp'"  # KTSP reports neither status nor shipping
_CONDITIONS = {HAS_MONEY: "where the currency is XXX", HAS_STATUS: "for KTSP, which has no such concept"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure of a summary.

    `kind` says how it is computed, in this order: "count", "distinct", "sum", "mean", "percentile" (of `fraction`),
    "min", "max" and "latest" (the newest value that is present, by `order`) aggregate `expression` over the rows
    where `where` holds; "derived" is an expression, and "cumulative" a window, over those aggregates of the row;
    "ratio" divides two of all these. `only`: condition on the group's dimensions outside of which the measure is
    NULL. `published` false: used by other metrics, not a column. `adds_over`: dimensions over which values may be
    added, if the kind alone does not say.
    """

    name: str
    kind: Kind
    unit: Unit
    description: str
    expression: str = "*"
    where: str = ""
    numerator: str = ""
    denominator: str = ""
    fraction: str = ""
    order: str = ""
    only: tuple[str, ...] = ()
    required: bool = False
    published: bool = True
    adds_over: tuple[Axis, ...] | None = None

    @property
    def additive_over(self) -> tuple[Axis, ...]:
        """Dimensions over which values may be added; money never over currencies."""
        if self.adds_over is not None:
            return self.adds_over
        if self.kind not in {"count", "sum"}:
            return ()
        return ("time", "store") if self.unit == "money" else ("time", "store", "currency")

    @property
    def is_additive(self) -> bool:
        """Whether values may be added over days and stores."""
        return "time" in self.additive_over

    @property
    def is_aggregate(self) -> bool:
        """Whether it is computed from the rows of the facts, not from other metrics."""
        return self.kind not in {"derived", "cumulative", "ratio"}

    @property
    def null_rule(self) -> str:
        """Say when the value is NULL."""
        if self.only:
            return "NULL " + " and ".join(_CONDITIONS[condition] for condition in self.only)
        if self.required:
            return "never NULL"
        return {
            "ratio": "NULL if the denominator is 0 or NULL", "derived": "NULL if a part is NULL",
        }.get(self.kind, "NULL if there is no such row")  # fmt: skip

    def aggregate_sql(self) -> str:
        """Return the aggregate over the aliases that the summary's rows have."""
        among = f" filter (where {self.where})" if self.where else ""
        match self.kind:
            case "count":
                core = f"count(*){among}"
            case "distinct":
                core = f"count(distinct {self.expression}){among}"
            case "sum":
                core = f"coalesce(sum({self.expression}){among}, 0)"
            case "percentile":
                core = self._rounded(
                    f"(percentile_cont({self.fraction}) within group (order by {self.expression}){among})::numeric"
                )
            case "min" | "max":
                core = f"{self.kind}({self.expression}){among}"
            case "latest":
                core = f"(array_agg({self.expression} order by {self.order}){among})[1]"
            case _:
                core = self._rounded(f"avg({self.expression}){among}")
        return f"case when {' and '.join(self.only)} then {core} end" if self.only else core

    def ratio_sql(self) -> str:
        """Return the ratio over the columns of the aggregated row."""
        return self._rounded(f"{self.numerator}::numeric / nullif({self.denominator}, 0)")

    def _rounded(self, value: str) -> str:
        rounded = f"round({value}, {PLACES[self.unit]})"
        return f"case when abs({value}) < {LARGEST_RATE} then {rounded} end" if self.unit == "rate" else rounded


def count(
    name: str,
    description: str,
    where: str,
    *,
    only: tuple[str, ...] = (),
    published: bool = True,
    unit: Unit = "orders",
) -> Metric:
    """Return a metric that counts rows."""
    return Metric(name, "count", unit, description, where=where, only=only, required=not only, published=published)


def ratio(
    name: str, unit: Unit, description: str, numerator: str, denominator: str, *, required: bool = False
) -> Metric:
    """Return a metric that divides two others."""
    return Metric(name, "ratio", unit, description, numerator=numerator, denominator=denominator, required=required)


def money(name: str, description: str, expression: str, where: str = "") -> Metric:
    """Return a sum of money that is never NULL."""
    return Metric(name, "sum", "money", description, expression=expression, where=where, required=True)


def derived(
    name: str, unit: Unit, description: str, expression: str, *, required: bool = False, published: bool = True,
    adds_over: tuple[Axis, ...] = (),
) -> Metric:  # fmt: skip
    """Return a metric computed from the aggregates of its row."""
    return Metric(
        name, "derived", unit, description, expression=expression, required=required, published=published,
        adds_over=adds_over,
    )  # fmt: skip


def distinct(
    name: str, unit: Unit, description: str, expression: str, where: str = "", *, adds_over: tuple[Axis, ...] = ()
) -> Metric:
    """Return a metric that counts different values."""
    return Metric(
        name, "distinct", unit, description, expression=expression, where=where, required=True, adds_over=adds_over
    )


def _sum(name: str, description: str, column: str, where: str, *, only: tuple[str, ...] = ()) -> Metric:
    return Metric(name, "sum", "money", description, expression=column, where=where, only=(HAS_MONEY, *only))


def _sum_of_recognised(column: str, description: str, *, only: tuple[str, ...] = ()) -> Metric:
    return _sum(column, f"{description}; sum over recognised orders", f"f.{column}", RECOGNISED, only=only)


REVENUE: tuple[Metric, ...] = (
    count("orders_total", "All orders of the group: placed + draft + excluded", ""),
    count("orders_placed", "Orders placed: recognised + open + lost", PLACED),
    count("orders_recognised", "Orders that count as revenue under the recognition policy", RECOGNISED),
    count("orders_open", "Orders neither recognised nor lost yet", OPEN),
    count("orders_lost", "Orders canceled, returned to sender, or closed unpaid", LOST),
    count(
        "orders_canceled", "Lost orders that were canceled", f"{LOST} and f.lost_kind = 'canceled'", only=(HAS_STATUS,)
    ),
    count("orders_rts", "Lost orders returned to sender", f"{LOST} and f.lost_kind = 'rts'", only=(HAS_STATUS,)),
    count("orders_draft", "Drafts, not placed", "f.revenue_class = 'draft'"),
    count("orders_excluded", "Orders deleted at the source, or money not trusted", "f.revenue_class = 'excluded'"),
    Metric(
        "customers_recognised", "distinct", "customers", "Customers with a recognised order; do not add over days",
        expression="f.customer_key", where=RECOGNISED, required=True,
    ),
    count(
        "orders_new", "Recognised orders that are a customer's first", f"{RECOGNISED} and f.customer_order_seq = 1"
    ),
    count(
        "orders_returning", "Recognised orders after a customer's first",
        f"{RECOGNISED} and f.customer_order_seq > 1",
    ),
    count(
        "orders_promo_discounted", "Recognised orders with a promotional discount (the unique code is not one)",
        f"{RECOGNISED} and f.promo_discount_amount > 0",
    ),
    _sum_of_recognised("gross_sales_amount", "Goods before discounts"),
    _sum_of_recognised("sales_discount_amount", "Discounts on goods"),
    _sum_of_recognised("net_sales_amount", "Gross sales less discounts on goods: the headline revenue"),
    _sum_of_recognised("net_shipping_amount", "Shipping charged less shipping discounts", only=(HAS_STATUS,)),
    _sum_of_recognised("other_income_amount", "Surcharges paid by the buyer", only=(HAS_STATUS,)),
    _sum_of_recognised("residual_amount", "Part of the payment the source does not explain, e.g. payment fees"),
    _sum_of_recognised("original_amount", "Everything before discounts"),
    _sum_of_recognised("discount_amount", "Everything taken off"),
    _sum_of_recognised("payment_amount", "What buyers pay"),
    _sum("open_payment_amount", "What buyers would pay for open orders", "f.payment_amount", OPEN),
    _sum("lost_payment_amount", "What buyers would have paid for lost orders", "f.payment_amount", LOST),
    ratio("aov_net_sales", "money", "Average order value: net sales / recognised orders",
           "net_sales_amount", "orders_recognised"),
    ratio("avg_payment_amount", "money", "Payment / recognised orders", "payment_amount", "orders_recognised"),
    ratio("sales_discount_rate", "rate", "Discounts on goods / gross sales",
           "sales_discount_amount", "gross_sales_amount"),
    ratio("total_discount_rate", "rate", "All discounts / everything before discounts",
           "discount_amount", "original_amount"),
    Metric(
        "avg_order_discount_rate", "mean", "rate",
        "Unweighted mean over recognised orders of discount on goods / gross sales; orders with gross 0 left out",
        expression="f.sales_discount_amount / nullif(f.gross_sales_amount, 0)", where=RECOGNISED,
    ),
    ratio("promo_discounted_order_rate", "rate", "Orders with a promotional discount / recognised orders",
           "orders_promo_discounted", "orders_recognised"),
    ratio("cancel_rate", "rate", "Canceled orders / placed orders", "orders_canceled", "orders_placed"),
    ratio("rts_rate", "rate", "Returned orders / (returned + completed physical orders): resolved parcels only",
           "orders_rts", "parcels_resolved"),
    ratio("rts_share_of_shipped", "rate", "Returned orders / orders that were shipped",
           "orders_rts", "parcels_shipped"),
    count(
        "parcels_resolved", "Returned, or completed with a parcel",
        f"({LOST} and f.lost_kind = 'rts') or ({PLACED} and f.order_state = 'completed' and f.is_physical)",
        only=(HAS_STATUS,), published=False,
    ),
    count(
        "parcels_shipped", "Placed orders that were ever shipped",
        f"{PLACED} and (f.order_state in ('shipped', 'returned') or l.shipped_at is not null)",
        only=(HAS_STATUS,), published=False,
    ),
)  # fmt: skip

DISCOUNT_BY_KIND: tuple[Metric, ...] = (
    count("orders_recognised", "Recognised orders that carry the kind", RECOGNISED),
    money("discount_amount", "Discount of the kind over recognised orders", "d.amount", RECOGNISED),
    money("basis_amount", "What the discount was taken from, over the same orders", "d.basis_amount", RECOGNISED),
    ratio("discount_rate", "rate", "Discount / basis", "discount_amount", "basis_amount"),
    ratio("avg_discount_amount", "money", "Discount / orders that carry it", "discount_amount", "orders_recognised"),
    Metric(
        "discount_of_all_kinds", "cumulative", "money", "Discounts of all kinds of the store, currency and period",
        expression="sum(discount_amount) over (partition by {period}, source_system, store_key, currency_code)",
        published=False,
    ),
    ratio("share_of_discount", "rate", "Share of the kind in all discounts of the store, currency and period",
          "discount_amount", "discount_of_all_kinds"),
    money("net_sales_amount",
          "Net sales of the orders that carry the kind; an order can carry several, so do not add over kinds",
          "f.net_sales_amount", RECOGNISED),
    distinct("customers", "customers", "Customers with such an order", "f.customer_key", RECOGNISED),
    count("orders_lost", "Lost orders that carried the kind", LOST),
    money("discount_amount_lost", "Discount of the kind on lost orders", "d.amount", LOST),
)  # fmt: skip

DISCOUNT_BY_CODE: tuple[Metric, ...] = (
    count("orders_recognised", "Recognised orders with the code", RECOGNISED),
    money("discount_amount", "Discount of the code over recognised orders", "d.amount", RECOGNISED),
    money("basis_amount", "What the discount was taken from, over the same orders", "d.basis_amount", RECOGNISED),
    ratio("discount_rate", "rate", "Discount / basis", "discount_amount", "basis_amount"),
    ratio("avg_discount_amount", "money", "Discount / recognised orders with the code",
          "discount_amount", "orders_recognised"),
    money("net_sales_amount", "Net sales of the recognised orders with the code", "f.net_sales_amount", RECOGNISED),
    distinct("customers", "customers", "Customers with such an order", "f.customer_key", RECOGNISED),
    Metric("first_used_date", "min", "date", "Order date of the first recognised order with the code",
           expression="f.order_date", where=RECOGNISED),
    Metric("last_used_date", "max", "date", "Order date of the last recognised order with the code",
           expression="f.order_date", where=RECOGNISED),
    count("new_customer_orders", "Recognised orders with the code that are a customer's first",
          f"{RECOGNISED} and f.customer_order_seq = 1"),
    ratio("aov_net_sales", "money", "Average order value: net sales / recognised orders",
          "net_sales_amount", "orders_recognised"),
    count("orders_lost", "Lost orders with the code", LOST),
    money("discount_amount_lost", "Discount of the code on lost orders", "d.amount", LOST),
    derived("orders_that_used_it", "orders", "Recognised and lost orders with the code",
            "orders_recognised + orders_lost", published=False),
    ratio("redemption_lost_rate", "rate", "Lost orders / (recognised + lost orders) with the code",
          "orders_lost", "orders_that_used_it"),
)  # fmt: skip

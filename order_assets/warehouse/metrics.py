"""The registry of metrics: each measure column of a summary, defined once.

From it come the SQL of the summaries, the columns and comments of their tables, and what Dagster shows. A metric is
never written down twice; a new one is one entry here. Dimensions and keys of the tables are in `schema`.

Vocabulary (model.md section 3): R = recognised orders, L = lost, P = placed (recognised, open or lost). A sum over
no rows is 0; a measure the source does not have is NULL; a ratio with denominator 0 is NULL. Ratios are ratios of
sums unless their name says otherwise, rounded half away from zero, once. A rate of 1000 or more is NULL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["orders", "customers", "parcels", "money", "rate"]
PLACES: dict[Unit, int] = {"money": 4, "rate": 6}
LARGEST_RATE = 1000  # numeric(9,6) holds less; a discount of a thousand times its basis says nothing as a rate

RECOGNISED = "f.revenue_class = 'recognised'"
OPEN = "f.revenue_class = 'open'"
LOST = "f.revenue_class = 'lost'"
PLACED = "f.revenue_class in ('recognised', 'open', 'lost')"
HAS_MONEY = "f.currency_code <> 'XXX'"
HAS_STATUS = "f.source_system <> 'ktsp'"  # KTSP reports neither status nor shipping


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure of a summary.

    `kind`: "count", "distinct", "sum" and "mean" aggregate `expression` over the rows where `where` holds; "ratio"
    divides two other metrics of the same row. `only`: condition on the group's dimensions outside of which the
    measure is NULL. `published` false: used by ratios, not a column.
    """

    name: str
    kind: Literal["count", "distinct", "sum", "mean", "ratio"]
    unit: Unit
    description: str
    expression: str = "*"
    where: str = ""
    numerator: str = ""
    denominator: str = ""
    only: tuple[str, ...] = ()
    required: bool = False
    published: bool = True

    @property
    def is_additive(self) -> bool:
        """Whether values may be added over days, stores and (for counts) currencies."""
        return self.kind in {"count", "sum"}

    def aggregate_sql(self) -> str:
        """Return the aggregate over the aliases `f` (facts), `l` (lifecycle) and `d` (discounts)."""
        if self.kind == "count":
            core = f"count(*) filter (where {self.where})" if self.where else "count(*)"
        elif self.kind == "distinct":
            core = f"count(distinct {self.expression}) filter (where {self.where})"
        elif self.kind == "sum":
            core = f"coalesce(sum({self.expression}) filter (where {self.where}), 0)"
        else:
            core = self._rounded(f"avg({self.expression}) filter (where {self.where})")
        return f"case when {' and '.join(self.only)} then {core} end" if self.only else core

    def ratio_sql(self) -> str:
        """Return the ratio over the columns of the aggregated row."""
        return self._rounded(f"{self.numerator}::numeric / nullif({self.denominator}, 0)")

    def _rounded(self, value: str) -> str:
        rounded = f"round({value}, {PLACES[self.unit]})"
        return f"case when abs({value}) < {LARGEST_RATE} then {rounded} end" if self.unit == "rate" else rounded


def _count(name: str, description: str, where: str, *, only: tuple[str, ...] = (), published: bool = True) -> Metric:
    return Metric(name, "count", "orders", description, where=where, only=only, required=not only, published=published)


def _sum(name: str, description: str, column: str, where: str, *, only: tuple[str, ...] = ()) -> Metric:
    return Metric(name, "sum", "money", description, expression=column, where=where, only=(HAS_MONEY, *only))


def _ratio(name: str, unit: Unit, description: str, numerator: str, denominator: str) -> Metric:
    return Metric(name, "ratio", unit, description, numerator=numerator, denominator=denominator)


def _sum_of_recognised(column: str, description: str, *, only: tuple[str, ...] = ()) -> Metric:
    return _sum(column, f"{description}; sum over recognised orders", f"f.{column}", RECOGNISED, only=only)


REVENUE: tuple[Metric, ...] = (
    _count("orders_total", "All orders of the group: placed + draft + excluded", ""),
    _count("orders_placed", "Orders placed: recognised + open + lost", PLACED),
    _count("orders_recognised", "Orders that count as revenue under the recognition policy", RECOGNISED),
    _count("orders_open", "Orders neither recognised nor lost yet", OPEN),
    _count("orders_lost", "Orders canceled, returned to sender, or closed unpaid", LOST),
    _count(
        "orders_canceled", "Lost orders that were canceled", f"{LOST} and f.lost_kind = 'canceled'", only=(HAS_STATUS,)
    ),
    _count("orders_rts", "Lost orders returned to sender", f"{LOST} and f.lost_kind = 'rts'", only=(HAS_STATUS,)),
    _count("orders_draft", "Drafts, not placed", "f.revenue_class = 'draft'"),
    _count("orders_excluded", "Orders deleted at the source, or money not trusted", "f.revenue_class = 'excluded'"),
    Metric(
        "customers_recognised", "distinct", "customers", "Customers with a recognised order; do not add over days",
        expression="f.customer_key", where=RECOGNISED, required=True,
    ),
    _count(
        "orders_new", "Recognised orders that are a customer's first", f"{RECOGNISED} and f.customer_order_seq = 1"
    ),
    _count(
        "orders_returning", "Recognised orders after a customer's first",
        f"{RECOGNISED} and f.customer_order_seq > 1",
    ),
    _count(
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
    _ratio("aov_net_sales", "money", "Average order value: net sales / recognised orders",
           "net_sales_amount", "orders_recognised"),
    _ratio("avg_payment_amount", "money", "Payment / recognised orders", "payment_amount", "orders_recognised"),
    _ratio("sales_discount_rate", "rate", "Discounts on goods / gross sales",
           "sales_discount_amount", "gross_sales_amount"),
    _ratio("total_discount_rate", "rate", "All discounts / everything before discounts",
           "discount_amount", "original_amount"),
    Metric(
        "avg_order_discount_rate", "mean", "rate",
        "Unweighted mean over recognised orders of discount on goods / gross sales; orders with gross 0 left out",
        expression="f.sales_discount_amount / nullif(f.gross_sales_amount, 0)", where=RECOGNISED,
    ),
    _ratio("promo_discounted_order_rate", "rate", "Orders with a promotional discount / recognised orders",
           "orders_promo_discounted", "orders_recognised"),
    _ratio("cancel_rate", "rate", "Canceled orders / placed orders", "orders_canceled", "orders_placed"),
    _ratio("rts_rate", "rate", "Returned orders / (returned + completed physical orders): resolved parcels only",
           "orders_rts", "parcels_resolved"),
    _ratio("rts_share_of_shipped", "rate", "Returned orders / orders that were shipped",
           "orders_rts", "parcels_shipped"),
    _count(
        "parcels_resolved", "Returned, or completed with a parcel",
        f"({LOST} and f.lost_kind = 'rts') or ({PLACED} and f.order_state = 'completed' and f.is_physical)",
        only=(HAS_STATUS,), published=False,
    ),
    _count(
        "parcels_shipped", "Placed orders that were ever shipped",
        f"{PLACED} and (f.order_state in ('shipped', 'returned') or l.shipped_at is not null)",
        only=(HAS_STATUS,), published=False,
    ),
)  # fmt: skip

DISCOUNT_BY_KIND: tuple[Metric, ...] = (
    _count("orders_recognised", "Recognised orders that carry the kind", RECOGNISED),
    Metric("discount_amount", "sum", "money", "Discount of the kind over recognised orders",
           expression="d.amount", where=RECOGNISED, required=True),
    Metric("basis_amount", "sum", "money", "What the discount was taken from, over the same orders",
           expression="d.basis_amount", where=RECOGNISED, required=True),
    _ratio("discount_rate", "rate", "Discount / basis", "discount_amount", "basis_amount"),
    _ratio("avg_discount_amount", "money", "Discount / orders that carry it", "discount_amount", "orders_recognised"),
    _ratio("share_of_discount", "rate", "Share of the kind in all discounts of the store, currency and period",
           "discount_amount", "discount_of_all_kinds"),
    Metric("net_sales_amount", "sum", "money",
           "Net sales of the orders that carry the kind; an order can carry several, so do not add over kinds",
           expression="f.net_sales_amount", where=RECOGNISED, required=True),
    Metric("customers", "distinct", "customers", "Customers with such an order",
           expression="f.customer_key", where=RECOGNISED, required=True),
    _count("orders_lost", "Lost orders that carried the kind", LOST),
    Metric("discount_amount_lost", "sum", "money", "Discount of the kind on lost orders",
           expression="d.amount", where=LOST, required=True),
)  # fmt: skip

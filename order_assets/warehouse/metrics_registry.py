"""The second half of the registry: movements, customers, cohorts, products and the status lifecycle.

And the whole of it: `REGISTRY` says which measures each summary table has.
"""

from __future__ import annotations

from order_assets.warehouse.metrics import (
    DISCOUNT_BY_CODE,
    DISCOUNT_BY_KIND,
    HAS_MONEY,
    LOST,
    PLACED,
    RECOGNISED,
    REVENUE,
    Metric,
    count,
    derived,
    distinct,
    money,
    ratio,
)

_LINE_COUNTS = "f.recognition_state = 'recognised'"  # the line's own currency is sound even where the order's is mixed
_LINE_RETURNED = "f.lost_kind = 'rts'"
_NEWEST_LINE = "f.ordered_at desc, f.order_key desc, o.line_number"
_DAYS_90 = 90 * 24 * 60 * 60

MOVEMENTS: tuple[Metric, ...] = (
    count("recognitions", "Orders that became revenue on the date", "m.is_recognition", unit="movements"),
    count(
        "reversals", "Paid orders that were lost on the date", "not m.is_recognition", unit="movements"
    ),
    count(
        "fallback_dated", "Movements without a date of their own, dated by the order or (reversals) its last update",
        "m.is_fallback", unit="movements",
    ),
    money("recognised_net_sales_amount", "Net sales of the recognitions", "m.net_sales_amount", "m.is_recognition"),
    money("reversed_net_sales_amount", "Net sales of the reversals, positive", "m.net_sales_amount",
          "not m.is_recognition"),
    derived("net_sales_amount", "money", "Net sales recognised less reversed",
            "recognised_net_sales_amount - reversed_net_sales_amount", required=True, adds_over=("time", "store")),
    money("recognised_payment_amount", "Payment of the recognitions", "m.payment_amount", "m.is_recognition"),
    money("reversed_payment_amount", "Payment of the reversals, positive", "m.payment_amount", "not m.is_recognition"),
    derived("payment_amount", "money", "Payment recognised less reversed",
            "recognised_payment_amount - reversed_payment_amount", required=True, adds_over=("time", "store")),
)  # fmt: skip

CUSTOMER: tuple[Metric, ...] = (
    count("orders_placed", "Orders placed: recognised + open + lost", PLACED),
    count("orders_recognised", "Orders that count as revenue", RECOGNISED),
    count("orders_lost", "Orders canceled, returned to sender, or closed unpaid", LOST),
    Metric("first_order_date", "min", "date", "Order date of the first recognised order",
           expression="f.order_date", where=RECOGNISED),
    Metric("last_order_date", "max", "date", "Order date of the last recognised order",
           expression="f.order_date", where=RECOGNISED),
    derived("cohort_month", "date", "First day of the month of the first recognised order",
            "date_trunc('month', first_order_date)::date"),
    money("lifetime_net_sales", "Net sales of the recognised orders; history, not a prediction",
          "f.net_sales_amount", RECOGNISED),
    money("lifetime_payment", "Payment of the recognised orders", "f.payment_amount", RECOGNISED),
    money("lifetime_discount", "Discounts of the recognised orders", "f.discount_amount", RECOGNISED),
    ratio("aov_net_sales", "money", "Average order value: net sales / recognised orders",
          "lifetime_net_sales", "orders_recognised"),
    derived("recency_days", "days", "as_of_date - last recognised order", "cast(:as_of as date) - last_order_date"),
    derived("tenure_days", "days", "Last - first recognised order", "last_order_date - first_order_date"),
    derived("intervals", "orders", "Recognised orders after the first", "orders_recognised - 1", published=False),
    ratio("avg_days_between_orders", "mean days", "Tenure / (recognised orders - 1); NULL below two orders",
          "tenure_days", "intervals"),
    derived("is_repeat", "flag", "At least two recognised orders", "orders_recognised >= 2", required=True),
    distinct("distinct_stores", "stores", "Stores with a recognised order", "f.store_key", RECOGNISED),
)  # fmt: skip

REPEAT_RATE: tuple[Metric, ...] = (
    count("customers", "Customers with a recognised order", "p.orders_recognised >= 1", unit="customers"),
    count(
        "repeat_customers", "Customers with at least two recognised orders", "p.orders_recognised >= 2",
        unit="customers",
    ),
    ratio("repeat_rate", "rate", "Customers with two orders / customers with one", "repeat_customers", "customers"),
)  # fmt: skip

COHORT: tuple[Metric, ...] = (
    Metric("cohort_size", "max", "customers", "Customers whose first recognised order is in the cohort's month",
           expression="c.cohort_size", required=True),
    distinct("active_customers", "customers", "Customers of the cohort with a recognised order in the month",
             "c.customer_key"),
    count("orders", "Recognised orders of the cohort in the month", "c.order_key is not null"),
    money("net_sales_amount", "Net sales of these orders", "c.net_sales_amount"),
    Metric(
        "cumulative_net_sales", "cumulative", "money", "Net sales of the cohort from month 0 up to the month",
        expression="sum(net_sales_amount) over"
        " (partition by source_system, currency_code, cohort_month order by month_number)",
        required=True,
    ),
    ratio("retention_rate", "rate", "Active customers / cohort size", "active_customers", "cohort_size", required=True),
    ratio("ltv_to_date", "money", "Cumulative net sales / cohort size", "cumulative_net_sales", "cohort_size",
          required=True),
)  # fmt: skip

PRODUCT: tuple[Metric, ...] = (
    Metric("sku", "latest", "text", "Latest SKU of the product in the group", expression="o.sku",
           where="o.sku is not null", order=_NEWEST_LINE),
    Metric("product_name", "latest", "text", "Latest name of the product in the group", expression="o.product_name",
           where="o.product_name is not null", order=_NEWEST_LINE),
    distinct("orders", "orders", "Recognised orders with the product", "f.order_key", _LINE_COUNTS,
             adds_over=("time", "store")),
    Metric("units", "sum", "units", "Units in recognised orders", expression="o.quantity", where=_LINE_COUNTS,
           required=True),
    money("gross_amount", "Lines before discounts", "o.line_gross_amount", _LINE_COUNTS),
    derived("discount_amount", "money", "Gross less net: the lines' own discounts and their share of the order's",
            "gross_amount - net_sales_amount", required=True, adds_over=("time", "store")),
    money("net_sales_amount", "Net sales of the lines", "o.line_net_sales_amount", _LINE_COUNTS),
    ratio("avg_unit_price", "money", "Gross / units", "gross_amount", "units"),
    Metric("units_rts", "sum", "units", "Units in orders returned to sender", expression="o.quantity",
           where=_LINE_RETURNED, required=True),
    derived("units_resolved", "units", "Units recognised and returned", "units + units_rts", published=False),
    ratio("rts_unit_rate", "rate", "Units returned / (units recognised + returned)", "units_rts", "units_resolved"),
)  # fmt: skip


def _percentile(name: str, fraction: str, word: str) -> Metric:
    return Metric(
        name, "percentile", "seconds", f"{word} of the measured durations; compute it per group, never average it",
        expression="s.seconds", where="s.seconds >= 0", fraction=fraction,
    )  # fmt: skip


LIFECYCLE: tuple[Metric, ...] = (
    count("orders_measured", "Orders with both times of the step, in order", "s.seconds >= 0"),
    count("orders_negative", "Orders whose step ends before it begins: left out of the durations", "s.seconds < 0"),
    count("orders_missing", "Orders whose present state implies the step's end, but a time is missing or invalid",
          "s.seconds is null and s.is_implied"),
    count("orders_over_90d", "Measured orders that took more than 90 days", f"s.seconds > {_DAYS_90}"),
    _percentile("p50_seconds", "0.5", "Median"),
    _percentile("p90_seconds", "0.9", "90th percentile"),
    _percentile("p95_seconds", "0.95", "95th percentile"),
    Metric("mean_seconds", "mean", "seconds", "Mean of the measured durations", expression="s.seconds",
           where="s.seconds >= 0"),
    derived("orders_due", "orders", "Orders that took the step as far as their state tells",
            "orders_measured + orders_negative + orders_missing", published=False),
    ratio("coverage", "rate", "Measured / (measured + negative + missing); below 0.5 read durations with care",
          "orders_measured", "orders_due"),
)  # fmt: skip

FUNNEL: tuple[Metric, ...] = (
    count("orders", "Orders that are in the state now", ""),
    Metric("payment_amount", "sum", "money", "What their buyers pay", expression="f.payment_amount", only=(HAS_MONEY,)),
)

REGISTRY: dict[str, tuple[Metric, ...]] = {
    "revenue_daily": REVENUE,
    "revenue_monthly": REVENUE,
    "revenue_movements_daily": MOVEMENTS,
    "discount_by_kind_daily": DISCOUNT_BY_KIND,
    "discount_by_kind_monthly": DISCOUNT_BY_KIND,
    "discount_by_code": DISCOUNT_BY_CODE,
    "discount_by_code_monthly": DISCOUNT_BY_CODE,
    "customer_summary": CUSTOMER,
    "repeat_rate": REPEAT_RATE,
    "customer_cohort_monthly": COHORT,
    "product_daily": PRODUCT,
    "product_monthly": PRODUCT,
    "lifecycle_monthly": LIFECYCLE,
    "status_funnel_monthly": FUNNEL,
}
"""Measures of each summary table, in the order of its columns."""

"""The end of the derivation that both sources share: exclusion, identities, flags, dates, discount rows.

Which source field means which measure is decided in `scalev` and `ktsp`; what an order's class is, in `recognition`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import clock, money
from order_assets.domain.columns import BOOL, INT, MONEY, TEXT, arrow, constant, series
from order_assets.domain.pages import VERSION
from order_assets.domain.recognition import Classes

MEASURES = (
    "gross_sales_amount",
    "sales_discount_amount",
    "net_sales_amount",
    "shipping_charged_amount",
    "shipping_discount_amount",
    "net_shipping_amount",
    "other_income_amount",
    "original_amount",
    "discount_amount",
    "payment_amount",
    "residual_amount",
    "promo_discount_amount",
    "technical_discount_amount",
)
NO_CURRENCY = "XXX"  # ISO 4217: "no currency"
# Columns of order_facts that not every source has a concept of.
_OPTIONAL = {
    **dict.fromkeys(("source_order_uuid", "source_status", "source_payment_status"), TEXT),
    **dict.fromkeys(("source_shipment_status", "source_awb_status", "payment_method", "sub_payment_method"), TEXT),
    **dict.fromkeys(("is_cod", "is_dropship", "is_physical"), BOOL),
    **dict.fromkeys(("courier_code", "courier_service_code", "ship_province", "ship_city"), TEXT),
    **dict.fromkeys(("discount_code", "discount_code_applied_to", "other_income_name", "src_discount_rate"), TEXT),
    **dict.fromkeys(("src_product_price", "src_product_discount", "src_discount_code_discount"), MONEY),
    **dict.fromkeys(("src_unique_code_discount", "src_shipping_cost", "src_shipping_discount"), MONEY),
    **dict.fromkeys(("src_other_income", "src_gross_revenue", "src_gross_revenue_dropshipper"), MONEY),
    **dict.fromkeys(("line_count", "total_quantity", "src_total_quantity", "total_weight"), INT),
}


class Flags:
    """Anomaly codes of a frame, collected column by column and rendered as PostgreSQL array literals."""

    def __init__(self, length: int) -> None:
        """Start with no flags on any row."""
        self._codes: list[list[str]] = [[] for _ in range(length)]

    def add(self, code: str, where: pd.Series | pa.Array) -> None:
        """Flag the rows where the mask is true (null is not)."""
        mask = arrow(where) if isinstance(where, pd.Series) else where
        if pc.any(mask).as_py():
            for row in np.flatnonzero(pc.fill_null(mask, False).to_numpy(zero_copy_only=False)):
                self._codes[row].append(code)

    def column(self) -> pd.Series:
        """Return the codes of each row, sorted, as text of the form `{a,b}`; codes need no quoting."""
        return series(pa.array(["{" + ",".join(sorted(codes)) + "}" if codes else "{}" for codes in self._codes]))


def fill_unreported(frame: pd.DataFrame) -> None:
    """Add the columns of `order_facts` that the source has no concept of and the frame therefore lacks, as nulls."""
    for name, dtype in _OPTIONAL.items():
        if name not in frame:
            frame[name] = constant(None, len(frame), dtype)


def excluded_reason(currency_source: pd.Series, bad_amount: pd.Series) -> pd.Series:
    """Return why an order's money is left out of sums, null where it counts. Currency trouble is named first."""
    source = arrow(currency_source)
    conditions = pc.make_struct(pc.equal(source, "mixed"), pc.equal(source, "invalid"), arrow(bad_amount))
    no_text = pa.scalar(None, pa.string())
    return series(pc.case_when(conditions, "mixed_currency", "bad_currency", "bad_amount", no_text))


def any_of(masks: Iterable[pd.Series]) -> pd.Series:
    """Return where any of the masks is true."""
    result: pa.Array | None = None
    for mask in masks:
        result = arrow(mask) if result is None else pc.or_(result, arrow(mask))
    return series(result)


def finish_money(measures: dict[str, pd.Series], flags: Flags) -> dict[str, pd.Series]:
    """Complete the measures: net sales, the residual, promotional share; and flag what is odd about them.

    Takes gross, sales discount, shipping (or null columns), other income, original, discount, payment, technical.
    """
    done = dict(measures)
    done["net_sales_amount"] = money.minus(done["gross_sales_amount"], done["sales_discount_amount"])
    done["net_shipping_amount"] = money.minus(done["shipping_charged_amount"], done["shipping_discount_amount"])
    expected = money.minus(done["original_amount"], done["discount_amount"])
    done["residual_amount"] = money.minus(done["payment_amount"], expected)
    done["promo_discount_amount"] = money.minus(done["discount_amount"], done["technical_discount_amount"])
    flags.add("residual_positive", pc.greater(arrow(done["residual_amount"]), money.ZERO))
    flags.add("residual_negative", pc.less(arrow(done["residual_amount"]), money.ZERO))
    flags.add("discount_exceeds_original", pc.greater(arrow(done["discount_amount"]), arrow(done["original_amount"])))
    return {name: done[name] for name in MEASURES}


def withhold(measures: Mapping[str, pd.Series], is_reportable: pd.Series) -> dict[str, pd.Series]:
    """Return the measures as numeric(20,4), null where the money is not reportable."""
    nothing = pa.scalar(None, MONEY.pyarrow_dtype)
    withheld = {}
    for name, column in measures.items():
        kept = pc.if_else(arrow(is_reportable), arrow(column), pa.scalar(None, arrow(column).type))
        withheld[name] = series(kept.cast(nothing.type))
    return withheld


def class_columns(classes: Classes, zones: pd.Series) -> dict[str, pd.Series]:
    """Return the columns of the classes with their business dates."""
    columns: dict[str, pd.Series] = asdict(classes)
    columns["recognised_date"] = clock.business_date(classes.recognised_at, zones)
    columns["lost_date"] = clock.business_date(classes.lost_at, zones)
    return columns


def discount_rows(orders: pd.DataFrame, kinds: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Return the rows of `discount_facts`: one per order and kind whose amount is not zero.

    Args:
        orders: the finished frame; only reportable orders are used.
        kinds: per kind `discount_kind`, `discount_class`, `amount` and `basis_amount` (columns of money), and
            optionally `discount_code`, `discount_code_raw` and `applied_to` (text columns).
    """
    parts = []
    for kind in kinds:
        amount = kind["amount"]
        assert isinstance(amount, pd.Series)  # noqa: S101 - narrows the type of a mapping's value
        wanted = pc.and_(arrow(orders["is_money_reportable"]), pc.not_equal(arrow(amount), money.ZERO))
        rows = np.flatnonzero(pc.fill_null(wanted, False).to_numpy(zero_copy_only=False))
        part = orders.loc[rows, [*VERSION, "currency_code"]].reset_index(drop=True)
        for name in ("discount_kind", "discount_class"):
            part[name] = constant(kind[name], len(rows), TEXT)
        for name in ("amount", "basis_amount"):
            column = kind[name]
            assert isinstance(column, pd.Series)  # noqa: S101 - likewise
            part[name] = series(arrow(column).cast(MONEY.pyarrow_dtype).take(pa.array(rows)))
        for name in ("discount_code", "discount_code_raw", "applied_to"):
            column = kind.get(name)
            part[name] = (
                column.iloc[rows].reset_index(drop=True)
                if isinstance(column, pd.Series)
                else constant(None, len(rows), TEXT)
            )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)

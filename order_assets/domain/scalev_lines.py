"""The lines of Scalev orders: what they add up to, how they read, and the rows of `order_line_facts` (model.md 2.1).

A line whose own amount is missing or unreadable stays, with 0: the order's money comes from its header, which says
`bad_amount` for itself, and `line_sum_mismatch` and its kin say that the lines do not add up to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import allocation, money
from order_assets.domain.columns import (
    INT8_MAX,
    MONEY,
    TEXT,
    arrow,
    boolean,
    constant,
    indexable,
    integer,
    label,
    series,
)
from order_assets.domain.facts import NO_CURRENCY
from order_assets.domain.pages import VERSION
from order_assets.domain.scalev_lists import currency_code, unroll

_WEIGHT_LIMIT = pa.scalar(Decimal(10) ** 10, MONEY.pyarrow_dtype)  # grams; beyond it, it is not a weight
_AS_SENT = (
    "line_number", "source_line_id", "variant_id", "sku", "product_name", "option1", "option2", "option3", "item_type",
    "pricing_type", "billing_interval", "billing_interval_count", "is_digital", "weight",
)  # fmt: skip
_LIMIT = 10**18  # counts of 0.0001; sums of a few amounts below it fit numeric(20,4)


def read(orderlines: Sequence[Sequence[Any] | None]) -> pd.DataFrame:
    """Return one row per line, as sent: `row` is the position of its order, `line_number` its place there, from 1.

    Beside the descriptors of `order_line_facts`: `variant` and `currency` (upper case) as text, `quantity`, and the
    amounts `unit_price` (null where there is none), `price`, `discount` and `code_discount` (0 where there is none).
    """
    entries, rows = unroll(orderlines)
    counts = np.array([len(part or ()) for part in orderlines], dtype=np.int64)
    begins = np.repeat(np.cumsum(counts) - counts, counts)
    return pd.DataFrame({
        "row": series(rows),
        "line_number": series(pa.array(np.arange(len(entries)) - begins + 1)),
        "source_line_id": label(line.id for line in entries),
        "variant": label(line.variant for line in entries),
        "variant_id": integer((line.variant for line in entries), INT8_MAX),
        "sku": label(line.variant_sku for line in entries),
        "product_name": label(line.product_name for line in entries),
        "option1": label(line.variant_option1_value for line in entries),
        "option2": label(line.variant_option2_value for line in entries),
        "option3": label(line.variant_option3_value for line in entries),
        "item_type": label(line.item_type for line in entries),
        "pricing_type": label(line.pricing_type for line in entries),
        "billing_interval": label(line.interval for line in entries),
        "billing_interval_count": integer(line.interval_count for line in entries),
        "is_digital": boolean(line.is_digital for line in entries),
        "currency": currency_code(line.currency for line in entries),
        "quantity": integer(line.quantity for line in entries),
        "unit_price": money.parse(line.variant_price for line in entries).value,
        "price": money.parse(line.product_price for line in entries).or_zero,
        "discount": money.parse(line.discount for line in entries).or_zero,
        "code_discount": money.parse(line.discount_code_discount for line in entries).or_zero,
        "weight": weights(money.parse(line.weight for line in entries)),
    })  # fmt: skip


def weights(amounts: money.Amounts) -> pd.Series:
    """Return weights in grams, null where absent, unreadable or beyond what `numeric(14,3)` holds."""
    found = arrow(amounts.value)
    light = pc.if_else(pc.less(pc.abs(found), _WEIGHT_LIMIT), found, pa.scalar(None, found.type))
    return series(pc.round(light, 3))


class Totals:
    """Sums over the lines of each order, in counts of 0.0001, and which reading of them the header confirms."""

    def __init__(self, lines: pd.DataFrame, header: pd.Series, length: int) -> None:
        """Add up `lines` (from `read`) of `length` orders whose goods cost `header` (null where not known)."""
        self._row = lines["row"].to_numpy(dtype=np.int64)
        self._length = length
        self.price = allocation.units(lines["price"])
        quantity = lines["quantity"].fillna(0).to_numpy(dtype=np.int64).astype(object)
        self.per_piece = self.price.astype(object) * quantity
        claimed = allocation.units(header)
        known = header.notna().to_numpy(dtype=bool)
        in_bounds = self.sum((abs(self.per_piece) >= _LIMIT).astype(np.int64)) == 0
        is_total = known & (self.sum(self.price) == claimed).astype(bool)
        is_pieces = known & (self.sum(self.per_piece) == claimed).astype(bool) & in_bounds & ~is_total
        self.basis = np.where(is_total, "line_total", np.where(is_pieces, "unit_price", "unreconciled"))

    def sum(self, values: allocation.Units) -> allocation.Units:
        """Return the sum per order of values per line; 0 for an order without lines."""
        result = np.zeros(self._length, dtype=object)
        np.add.at(result, self._row, values)
        return result


def line_facts(
    lines: pd.DataFrame,
    totals: Totals,
    orders: pd.DataFrame,
    default_currency: pd.Series,
    code_on_shipping: pd.Series,
) -> pd.DataFrame:
    """Return the rows of `order_line_facts` with the version of the order they belong to.

    What the header takes off the goods beyond the discounts of the lines is shared over the lines, so that they add
    up to the order's net sales; not where the order's money is not reportable, nor where it is absurd (then the basis
    is `unreconciled`).

    Args:
        lines: from `read`.
        totals: the sums over them.
        orders: the finished frame of orders.
        default_currency: the store's, one per order.
        code_on_shipping: whether an order's code applies to shipping, which is no discount on goods.
    """
    row = lines["row"].to_numpy(dtype=np.int64)
    needed = orders[[*VERSION, "source_account", "currency_code", "currency_source"]]
    of_order = needed.assign(default_currency=default_currency).iloc[row].reset_index(drop=True)
    on_shipping = code_on_shipping.to_numpy(dtype=bool)[row]
    discount = allocation.units(lines["discount"])
    code = np.where(on_shipping, 0, allocation.units(lines["code_discount"]))
    basis = totals.basis[row]
    gross = np.where(basis == "unit_price", totals.per_piece, totals.price)
    header = allocation.units(orders["sales_discount_amount"]).astype(object)
    rest = np.where(orders["is_money_reportable"].to_numpy(dtype=bool), header - totals.sum(discount + code), 0)
    absurd = (abs(rest) >= _LIMIT).astype(bool)
    basis = np.where(absurd[row], "unreconciled", basis)
    gross = np.where(absurd[row], totals.price, gross)
    alloc = _allocate(lines, np.where(absurd, 0, rest), gross - discount - code, orders["currency_code"])
    code_of_line, source = _currency(lines["currency"], of_order)
    return pd.DataFrame({
        **{name: of_order[name] for name in VERSION},
        **{name: lines[name] for name in _AS_SENT},
        "product_key": _product_keys(lines, of_order["source_account"]),
        "currency_code": code_of_line,
        "currency_source": source,
        "quantity": lines["quantity"].fillna(0),
        "unit_price_amount": lines["unit_price"],
        "line_gross_amount": _money(gross),
        "line_discount_amount": _money(discount),
        "line_code_discount_amount": _money(code),
        "alloc_header_discount_amount": _money(alloc),
        "line_net_sales_amount": _money(gross - discount - code - alloc),
        "line_basis": series(pa.array(basis.tolist(), pa.string())),
    })  # fmt: skip


def _allocate(
    lines: pd.DataFrame, rest: allocation.Units, weight: allocation.Units, currency_codes: pd.Series
) -> allocation.Units:
    """Share what is left of each order's discount; most orders have nothing left, so only the others are looked at."""
    row = lines["row"].to_numpy(dtype=np.int64)
    result = np.zeros(len(row), dtype=object)
    mine = np.flatnonzero(rest[row] != 0)
    if len(mine):
        rest = rest.astype(np.int64)  # below _LIMIT
        steps = allocation.minor_units(currency_codes, rest)
        order = row[mine]
        number = lines["line_number"].to_numpy(dtype=np.int64)[mine]
        result[mine] = allocation.shares(order, number, weight[mine].astype(np.int64), rest[order], steps[order])
    return result


def _currency(own: pd.Series, of_order: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return each line's currency and where it comes from: its own, else the order's, else the store's default.

    An order of several currencies has none to lend, so its lines without one take the store's.
    """
    named = pc.is_valid(arrow(own))
    is_code = pc.fill_null(pc.match_substring_regex(arrow(own), "^[A-Z]{3}$"), False)
    mixed = pc.equal(arrow(of_order["currency_source"]), "mixed")
    cases = pc.make_struct(is_code, named, mixed)
    code = pc.case_when(
        cases, arrow(own), NO_CURRENCY, arrow(of_order["default_currency"]), arrow(of_order["currency_code"])
    )
    return series(code), series(pc.case_when(cases, "line", "line", "store_default", "order"))


def _product_keys(lines: pd.DataFrame, accounts: pd.Series) -> pd.Series:
    """Return `ACCOUNT|VARIANT`, else `ACCOUNT|sku:SKU`, else `ACCOUNT|name:SHA256`; no name is a blank one."""
    names = lines["product_name"].fillna("")
    needed = names[lines["variant"].isna() & lines["sku"].isna()]
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in needed.unique()}
    hashed = needed.map(hashes).reindex(lines.index).astype(TEXT) if len(needed) else constant(None, len(lines), TEXT)
    product = pc.coalesce(
        arrow(indexable(lines["variant"])),
        pc.binary_join_element_wise("sku", arrow(indexable(lines["sku"])), ":"),
        pc.binary_join_element_wise("name", arrow(hashed), ":"),
    )
    return series(pc.binary_join_element_wise(arrow(accounts), product, "|"))


def _money(counts: allocation.Units) -> pd.Series:
    return series(arrow(allocation.amounts(counts)).cast(MONEY.pyarrow_dtype))

"""Scalev orders: what the documented fields mean, as rows of the facts (model.md sections 1 and 2).

How a page is read is in `scalev_page`; what is the same for both sources, in `facts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from order_assets.domain import (
    allocation,
    clock,
    facts,
    keys,
    lenient,
    lifecycle,
    money,
    recognition,
    scalev_customers,
    scalev_discounts,
    scalev_lines,
    scalev_lists,
    scalev_stores,
    status_events,
    unknown,
)
from order_assets.domain.columns import (
    BOOL,
    INT4_MAX,
    TEXT,
    arrow,
    boolean,
    constant,
    indexable,
    integer,
    label,
    lowered,
    series,
    text,
)
from order_assets.domain.pages import Frames, Page, SourceSystem, page_columns
from order_assets.domain.recognition import Policy
from order_assets.domain.scalev_page import FIELDS, Order, decode, fingerprint, order_id

SYSTEM: Final[SourceSystem] = "scalev"
_COMPONENTS = (
    "product_price",
    "product_discount",
    "discount_code_discount",
    "unique_code_discount",
    "shipping_cost",
    "shipping_discount",
    "other_income",
    "gross_revenue",
)
_CORE = ("product_price", "gross_revenue")


@lenient.refuses_deep_nesting
def derive(pages: Sequence[Page], policy: Policy, hmac_key: str) -> Frames:
    """Turn raw pages into rows of the facts and dimensions.

    Raises:
        msgspec.DecodeError: a page is not a page of orders (the crawl would have said so).
    """
    decoded = [decode(page.content) for page in pages]
    orders = list(chain.from_iterable(decoded))
    frames = _Derivation(orders, page_columns(pages, [len(part) for part in decoded]), policy, hmac_key).frames()
    frames.unknown.update(unknown.count_all(SYSTEM, (page.content for page in pages)))
    return frames


class _Derivation:
    """The steps from decoded orders to frames, each a column-wise function of the ones before."""

    def __init__(self, orders: list[Order], pages: pd.DataFrame, policy: Policy, hmac_key: str) -> None:
        self.pages = pages
        self.policy = policy
        self.hmac_key = hmac_key
        self.length = len(orders)
        values = zip(*map(attrgetter(*FIELDS), orders), strict=True) if orders else ([] for _ in FIELDS)
        self.column: dict[str, Sequence[Any]] = dict(zip(FIELDS, values, strict=True))
        self.orders = orders
        self.flags = facts.Flags(self.length)

    @cached_property
    def fingerprints(self) -> list[str]:
        """Hash of each order's canonical JSON."""
        return [fingerprint(order) for order in self.orders]

    @cached_property
    def amounts(self) -> dict[str, money.Amounts]:
        """Header amounts, parsed."""
        return {name: money.parse(self.column[name]) for name in (*_COMPONENTS, "gross_revenue_for_dropshipper")}

    @cached_property
    def instants(self) -> dict[str, clock.Instants]:
        """All timestamps, parsed and checked against the window."""
        names = ["created_at", "last_updated_at", *(f"{name}_time" for name in lifecycle.MILESTONES)]
        return {name: clock.parse(self.column[name], self.pages["fetched_at"]) for name in names}

    @cached_property
    def firsts(self) -> dict[str, pd.Series]:
        """First valid instant per milestone, from columns and history."""
        return lifecycle.first_occurrences(self.events, self.length)

    @cached_property
    def events(self) -> pd.DataFrame:
        """Entries into statuses, from columns and history."""
        return lifecycle.events(self.time_columns, self.history)

    @cached_property
    def time_columns(self) -> dict[str, pd.Series]:
        """Valid instants per milestone, from the columns alone."""
        return {name: self.instants[f"{name}_time"].value for name in lifecycle.MILESTONES}

    @cached_property
    def history(self) -> pd.DataFrame:
        """Valid entries of the status history."""
        return scalev_lists.history(self.column["status_history"], self.pages["fetched_at"])

    @cached_property
    def lines(self) -> pd.DataFrame:
        """One row per order line."""
        return scalev_lines.read(self.column["orderlines"])

    @cached_property
    def totals(self) -> scalev_lines.Totals:
        """Sums over the lines of each order."""
        return scalev_lines.Totals(self.lines, self.amounts["product_price"].value, self.length)

    def frames(self) -> Frames:
        """Put the columns together."""
        currency_code, currency_source = self.currency()
        bad_amount = self.bad_amounts()
        measures = self.measures()
        excluded = facts.excluded_reason(currency_source, bad_amount)
        reportable = series(pc.is_null(arrow(excluded)))
        measures = facts.withhold(measures, reportable)
        identity = self.identity()
        orders = pd.DataFrame({
            **identity,
            **self.descriptors(),
            **facts.class_columns(self.classes, self.pages["store_time_zone"]),
            **self.times(),
            "is_money_reportable": reportable,
            "is_deleted_at_source": constant(False, self.length, BOOL),
            "excluded_reason": excluded,
            "currency_code": currency_code,
            "currency_source": currency_source,
            **measures,
            **self.source_amounts(),
            **self.counts(currency_source),
            "payload_sha256": text(self.fingerprints),
            **{name: self.pages[name] for name in ("partition_key", "crawl_id", "page_number", "position")},
            "fetched_at": self.pages["fetched_at"],
            "store_time_zone": self.pages["store_time_zone"],
        })  # fmt: skip
        self.flag_payment(measures)
        orders["anomaly_codes"] = self.flags.column()
        parcels = scalev_lists.history(self.column["shipment_status_history"], self.pages["fetched_at"])
        return Frames(
            orders=orders,
            lines=scalev_lines.line_facts(
                self.lines, self.totals, orders, self.pages["default_currency"], self.code_on_shipping
            ),
            events=status_events.log(orders, self.time_columns, order=self.history, shipment=parcels),
            lifecycles=lifecycle.snapshot(orders, self.events, self.firsts),
            discounts=scalev_discounts.rows(
                orders, self.amounts, self.code_discounts()[1], self.discount_code, self.column["discount_code_code"]
            ),
            stores=scalev_stores.rows(self.column["store"], self.pages),
            customers=scalev_customers.rows(self.column["customer"], orders, self.policy, self.hmac_key),
        )

    def identity(self) -> dict[str, pd.Series]:
        """Natural and surrogate keys; the customer of an order without one is the account's."""
        codes, uuids = label(self.column["order_id"]), label(self.column["id"])
        self.flags.add("order_code_missing", pc.is_null(arrow(codes)))
        order_ids = text(list(map(order_id, self.orders, self.fingerprints)))
        accounts = self.pages["source_account"]
        systems = constant(SYSTEM, self.length, TEXT)
        return {
            "order_key": keys.order_keys(systems, accounts, order_ids),
            "source_system": systems,
            "source_account": accounts,
            "source_order_id": order_ids,
            "source_order_uuid": uuids,
            "store_key": series(pc.binary_join_element_wise(arrow(systems), arrow(accounts), "|")),
            "customer_key": self.customer_keys(),
        }

    def customer_keys(self) -> pd.Series:
        """Pseudonyms; computed once per person, not per order."""
        ids = label(None if customer is None else customer.id for customer in self.column["customer"])
        self.flags.add("customer_missing", pc.is_null(arrow(ids)))
        accounts, partitions = self.pages["source_account"].tolist(), self.pages["partition_key"].tolist()
        known = self.pages["known_customer_key"].tolist()
        made: dict[tuple[str, str], str] = {}
        of_account: dict[str, str] = {}
        result: list[str | None] = []
        for account, partition, customer_id in zip(accounts, partitions, arrow(ids).to_pylist(), strict=True):
            if customer_id is None:
                result.append(None)
                continue
            person = (account, customer_id)
            if person not in made:
                made[person] = keys.customer_key(self.hmac_key, SYSTEM, account, customer_id)
            of_account.setdefault(partition, made[person])
            result.append(made[person])
        for row, found in enumerate(result):
            if found is None:
                fallback = known[row] if isinstance(known[row], str) else None
                result[row] = of_account.get(partitions[row]) or fallback or keys.customer_key(
                    self.hmac_key, SYSTEM, accounts[row], f"account:{partitions[row]}"
                )  # fmt: skip
        return text(result)

    @cached_property
    def status(self) -> pd.Series:
        """Order status, lower case."""
        return lowered(self.column["status"])

    @cached_property
    def payment_status(self) -> pd.Series:
        """Payment status, lower case."""
        return lowered(self.column["payment_status"])

    @cached_property
    def payment_method(self) -> pd.Series:
        """Payment method, lower case."""
        return lowered(self.column["payment_method"])

    @cached_property
    def classes(self) -> recognition.Classes:
        """Recognition by the policy."""
        return recognition.classify(
            self.status, self.payment_status, self.payment_method, self.ordered[0], self.firsts, self.policy
        )

    @cached_property
    def ordered(self) -> tuple[pd.Series, pd.Series]:
        """When the order was placed, and which field said so."""
        moments = {
            "created_at": self.instants["created_at"].value,
            "draft_time": self.instants["draft_time"].value,
            "pending_time": self.instants["pending_time"].value,
            "earliest_time": clock.earliest(self.instants[f"{name}_time"].value for name in lifecycle.MILESTONES),
            "first_seen": self.pages["fetched_at"],
        }
        valid = pc.make_struct(*(pc.is_valid(arrow(column)) for column in moments.values()))
        return clock.first(*moments.values()), series(pc.case_when(valid, *moments))

    def descriptors(self) -> dict[str, pd.Series]:
        """Statuses as sent, and low-cardinality attributes."""
        self.flags.add("unknown_status", pc.invert(recognition.is_in(self.status, tuple(self.policy.status_map))))
        self.flags.add(
            "unknown_payment_status", pc.invert(recognition.is_in(self.payment_status, recognition.PAYMENT_STATES))
        )
        self.flags.add("payment_conflict", recognition.is_in(self.payment_status, ("conflict",)))
        services = self.column["courier_service"]
        has_courier = pa.array([service is not None for service in services], pa.bool_())
        shipped = pc.is_valid(arrow(self.instants["shipped_time"].value))
        places = self.column["destination_address"] if self.policy.store_geography else [None] * self.length
        code = self.discount_code
        return {
            "source_status": self.status,
            "source_payment_status": self.payment_status,
            "source_shipment_status": lowered(self.column["shipment_status"]),
            "source_awb_status": lowered(self.column["awb_status"]),
            "state_source": constant("source", self.length, TEXT),
            "payment_method": self.payment_method,
            "sub_payment_method": label(self.column["sub_payment_method"]),
            "is_cod": series(pc.equal(arrow(self.payment_method), "cod")),
            "is_dropship": boolean(self.column["is_dropshipping"]),
            "is_physical": series(pc.or_(has_courier, shipped)),
            "courier_code": label(
                None if service is None or service.courier is None else service.courier.code for service in services
            ),
            "courier_service_code": label(None if service is None else service.code for service in services),
            "ship_province": label(None if place is None else place.province for place in places),
            "ship_city": label(None if place is None else place.city for place in places),
            "discount_code": code,
            "discount_code_applied_to": label(self.column["discount_code_applied_to"]),
            "other_income_name": label(self.column["other_income_name"]),
        }

    @cached_property
    def discount_code(self) -> pd.Series:
        """The code a buyer typed, trimmed and in upper case."""
        return indexable(series(pc.utf8_upper(arrow(label(self.column["discount_code_code"])))))

    def times(self) -> dict[str, pd.Series]:
        """When the order was placed, and its business date in the store's zone."""
        for name, column in self.instants.items():
            self.flags.add(f"bad_timestamp:{name}", column.is_bad)
        self.flags.add("sequence_break", pc.invert(arrow(lifecycle.is_sequence_ok(self.firsts))))
        ordered_at, source = self.ordered
        self.flags.add("ordered_at_missing", pc.equal(arrow(source), "first_seen"))
        return {
            "ordered_at": ordered_at,
            "ordered_at_source": source,
            "order_date": clock.business_date(ordered_at, self.pages["store_time_zone"]),
            "source_updated_at": self.instants["last_updated_at"].value,
        }

    def currency(self) -> tuple[pd.Series, pd.Series]:
        """The order's currency and where it comes from, with their flags."""
        code, source = scalev_lists.currency(self.lines, self.pages["default_currency"])
        flags = {"mixed_currency": "mixed", "bad_currency": "invalid", "currency_defaulted": "store_default"}
        for flag, value in flags.items():
            self.flags.add(flag, pc.equal(arrow(source), value))
        return code, source

    def bad_amounts(self) -> pd.Series:
        """Where the money cannot be trusted: an unreadable component, or a missing core amount."""
        bad = []
        for name in _COMPONENTS:
            amounts = self.amounts[name]
            is_bad = facts.any_of([amounts.is_bad, amounts.is_null]) if name in _CORE else amounts.is_bad
            self.flags.add(f"bad_amount:{name}", is_bad)
            self.flags.add(f"negative_amount:{name}", pc.less(arrow(amounts.value), money.ZERO))
            bad.append(is_bad)
        return facts.any_of(bad)

    @cached_property
    def code_on_shipping(self) -> pd.Series:
        """Whether the code is taken off shipping rather than goods."""
        applied_to = arrow(lowered(self.column["discount_code_applied_to"]))
        return series(pc.fill_null(pc.match_substring(applied_to, "shipping"), False))

    def code_discounts(self) -> tuple[pd.Series, pd.Series]:
        """The code's discount split into the part on goods and the part on shipping."""
        on_shipping = arrow(self.code_on_shipping)
        amount = arrow(self.amounts["discount_code_discount"].or_zero)
        return (
            series(pc.if_else(on_shipping, money.ZERO, amount)),
            series(pc.if_else(on_shipping, amount, money.ZERO)),
        )

    def measures(self) -> dict[str, pd.Series]:
        """The canonical measures of model.md 1.2."""
        a = {name: self.amounts[name].or_zero for name in _COMPONENTS}
        code_goods, code_shipping = self.code_discounts()
        gross, payment = self.amounts["product_price"].value, self.amounts["gross_revenue"].value
        measures = {
            "gross_sales_amount": gross,
            "sales_discount_amount": money.total(a["product_discount"], code_goods, a["unique_code_discount"]),
            "shipping_charged_amount": a["shipping_cost"],
            "shipping_discount_amount": money.total(a["shipping_discount"], code_shipping),
            "other_income_amount": a["other_income"],
            "original_amount": money.total(gross, a["shipping_cost"], a["other_income"]),
            "discount_amount": money.total(
                a["product_discount"],
                a["discount_code_discount"],
                a["shipping_discount"],
                a["unique_code_discount"],
            ),
            "payment_amount": payment,
            "technical_discount_amount": a["unique_code_discount"],
        }
        return facts.finish_money(measures, self.flags)

    def flag_payment(self, measures: dict[str, pd.Series]) -> None:
        """Flag contradictions between status, payment and codes."""
        is_paid = recognition.is_in(self.payment_status, ("paid", "settled"))
        recognised = pc.equal(arrow(self.classes.recognition_state), "recognised")
        completed = recognition.is_in(self.classes.order_state, ("completed",))
        open_ = pc.equal(arrow(self.classes.recognition_state), "open")
        unpaid = pc.invert(is_paid)
        self.flags.add("completed_unpaid", pc.and_(pc.and_(completed, unpaid), open_))
        self.flags.add("recognised_at_missing", pc.and_(recognised, pc.is_null(arrow(self.classes.recognised_at))))
        self.flags.add("zero_payment_paid", pc.and_(is_paid, pc.equal(arrow(measures["payment_amount"]), money.ZERO)))
        code_amount = arrow(self.amounts["discount_code_discount"].or_zero)
        has_code = pc.is_valid(arrow(self.discount_code))
        readable = pc.invert(arrow(self.amounts["discount_code_discount"].is_bad))
        self.flags.add("code_without_amount", pc.and_(pc.and_(has_code, readable), pc.equal(code_amount, money.ZERO)))
        self.flags.add("amount_without_code", pc.and_not(pc.not_equal(code_amount, money.ZERO), has_code))

    def source_amounts(self) -> dict[str, pd.Series]:
        """The components verbatim, for audit; kept even where the measures are withheld."""
        missing = {name: self.amounts[name].is_null for name in _COMPONENTS if name not in _CORE}
        nulls = facts.Flags(self.length)
        for name, where in missing.items():
            nulls.add(name, where)
        rates = [
            None if bytes(raw) == b"null" else bytes(raw).decode().strip('"') for raw in self.column["discount_rate"]
        ]
        columns = {f"src_{name}": self.amounts[name].value for name in _COMPONENTS}
        return {
            **columns,
            "src_gross_revenue_dropshipper": self.amounts["gross_revenue_for_dropshipper"].value,
            "src_discount_rate": text(rates),
            "null_components": nulls.column(),
        }

    def counts(self, currency_source: pd.Series) -> dict[str, pd.Series]:
        """Counts over the lines, and flags where the lines disagree with the header."""
        line_count = np.array([len(part or ()) for part in self.column["orderlines"]], dtype=np.int64)
        has_lines = line_count > 0
        self.flags.add("no_lines", pa.array(~has_lines))
        pieces = self.totals.sum(self.lines["quantity"].fillna(0).to_numpy(dtype=np.int64))
        quantity = pa.array(pieces.tolist(), pa.int64(), mask=(abs(pieces) > INT4_MAX).astype(bool))
        claimed = integer(self.column["total_quantity"])
        differs = (pieces != claimed.fillna(0).to_numpy(dtype=np.int64)).astype(bool) & claimed.notna().to_numpy(
            dtype=bool
        )
        self.flags.add("quantity_mismatch", pa.array(has_lines & differs))
        # Sums over lines of several currencies mean nothing.
        comparable = has_lines & (currency_source != "mixed").to_numpy(dtype=bool)
        for flag, where in self.disagreements().items():
            self.flags.add(flag, pa.array(comparable & where))
        return {
            "line_count": series(pa.array(line_count)),
            "total_quantity": series(quantity),
            "src_total_quantity": claimed,
            "total_weight": scalev_lines.weights(money.parse(self.column["total_weight"])),
        }

    def disagreements(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Where amounts of the lines do not add up to those of the header."""
        code_goods, code_shipping = self.code_discounts()
        found = {
            "line_discount_mismatch": (self.lines["discount"], self.amounts["product_discount"].or_zero),
            "line_code_mismatch": (self.lines["code_discount"], code_goods),
        }
        differs = {
            flag: (self.totals.sum(allocation.units(own)) != allocation.units(header)).astype(bool)
            for flag, (own, header) in found.items()
        }
        differs["line_code_mismatch"] &= allocation.units(code_shipping) == 0
        readable = self.amounts["product_price"].value.notna().to_numpy(dtype=bool)
        differs["line_sum_mismatch"] = readable & (self.totals.basis == "unreconciled")
        return differs

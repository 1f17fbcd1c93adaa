"""What the fields of a Scalev order mean."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from order_assets.domain import keys
from order_assets.domain.recognition import Policy
from order_assets_tests.domain.derived import derive, derive_pages, row, rows
from order_assets_tests.factories import (
    FETCHED_AT,
    HMAC_KEY,
    page,
    scalev_line,
    scalev_order,
    scalev_page,
    without,
)

MONEY_COLUMNS = (
    "gross_sales_amount", "sales_discount_amount", "net_sales_amount", "shipping_charged_amount",
    "shipping_discount_amount", "net_shipping_amount", "other_income_amount", "original_amount", "discount_amount",
    "payment_amount", "residual_amount", "promo_discount_amount", "technical_discount_amount",
)  # fmt: skip
TIME_FIELDS = [name for name in scalev_order() if name.endswith(("_time", "_at"))]
NO_TIMES: dict[str, None] = dict.fromkeys(TIME_FIELDS)


def test_clean_order_has_no_flags() -> None:
    """Without it flags that fire on good orders would hide those that matter."""
    assert row(scalev_order())["flags"] == set()


ANOMALIES: list[tuple[dict[str, Any], set[str]]] = [
    ({"gross_revenue": "168725.00"}, {"residual_positive"}),
    ({"gross_revenue": "168723.99"}, {"residual_negative"}),
    ({"created_at": "0026-01-01T00:00:00Z"}, {"bad_timestamp:created_at"}),
    ({"last_updated_at": "yesterday"}, {"bad_timestamp:last_updated_at"}),
    ({"ready_time": "2025-01-30T04:00:00"}, {"bad_timestamp:ready_time"}),
    ({"orderlines": [scalev_line(product_price="100000"), scalev_line(currency="USD", product_price="50000")],
      "total_quantity": 2}, {"mixed_currency"}),
    ({"orderlines": [scalev_line(currency="Rupiah")]}, {"bad_currency"}),
    ({"orderlines": [scalev_line(currency=" ")]}, {"currency_defaulted"}),
    ({"other_income": "1,000.00"}, {"bad_amount:other_income"}),
    ({"product_discount": "NaN"}, {"bad_amount:product_discount"}),
    ({"other_income": "-500.00", "gross_revenue": "168224.00"}, {"negative_amount:other_income"}),
    ({"unique_code_discount": "-276.00", "gross_revenue": "169276.00"}, {"negative_amount:unique_code_discount"}),
    ({"shipping_discount": "200000", "gross_revenue": "-31276"},
     {"discount_exceeds_original", "negative_amount:gross_revenue"}),
    ({"status": "on_hold"}, {"unknown_status"}),
    ({"status": None}, {"unknown_status"}),
    ({"payment_status": "transfer"}, {"unknown_payment_status", "completed_unpaid"}),
    ({"payment_status": None, "payment_method": "cod"}, {"unknown_payment_status"}),
    ({"payment_status": "conflict", "status": "pending"}, {"payment_conflict"}),
    ({"payment_status": "unpaid"}, {"completed_unpaid"}),
    ({"paid_time": None, "completed_time": None}, {"recognised_at_missing"}),
    (NO_TIMES, {"ordered_at_missing", "recognised_at_missing"}),
    ({"orderlines": [scalev_line(product_price="149999.99")]}, {"line_sum_mismatch"}),
    ({"orderlines": [scalev_line(discount="1.00")]}, {"line_discount_mismatch"}),
    ({"orderlines": [scalev_line(discount_code_discount="1.00")]}, {"line_code_mismatch"}),
    ({"total_quantity": 2}, {"quantity_mismatch"}),
    ({"orderlines": []}, {"no_lines", "currency_defaulted"}),
    ({"orderlines": None}, {"no_lines", "currency_defaulted"}),
    ({"customer": None}, {"customer_missing"}),
    ({"customer": {"id": None}}, {"customer_missing"}),
    ({"order_id": None}, {"order_code_missing"}),
    ({"order_id": "  "}, {"order_code_missing"}),
    ({"discount_code_code": "SAVE10"}, {"code_without_amount"}),
    ({"discount_code_discount": "1000", "gross_revenue": "167724",
      "orderlines": [scalev_line(discount_code_discount="1000")]}, {"amount_without_code"}),
    ({"product_price": "0", "shipping_cost": "0", "unique_code_discount": "0", "gross_revenue": "0.00",
      "orderlines": [scalev_line(product_price="0")]}, {"zero_payment_paid"}),
    ({"confirmed_time": "2025-01-31T00:00:00Z"}, {"sequence_break"}),
]  # fmt: skip


@cache
def flags_of_anomalies() -> list[set[str]]:
    """The flags of each order of the table, derived in one batch."""
    return [fact["flags"] for fact in rows(derive(*(scalev_order(**overrides) for overrides, _ in ANOMALIES)))]


@pytest.mark.parametrize("number", range(len(ANOMALIES)), ids=lambda n: "+".join(sorted(ANOMALIES[n][1])))
def test_each_anomaly_is_flagged(number: int) -> None:
    """Without it an oddity of model.md 1.7 would pass unseen, or be seen where it is not."""
    expected = ANOMALIES[number][1]
    # What cannot be read counts as 0 in the comparisons, so they flag it as well.
    noise = {"residual_positive", "residual_negative", "line_discount_mismatch"}
    bad = any(code.startswith("bad_amount") for code in expected)
    assert flags_of_anomalies()[number] - (noise if bad else set()) == expected


@pytest.mark.parametrize("name", ["product_price", "gross_revenue"])
def test_unreadable_core_amounts(name: str) -> None:
    """Without it an order whose money is unknown would count as free."""
    values: list[object] = [None, "", "1,000.00", "1.00005", "NaN", {}, True, "99999999999999999"]
    frames = derive(*(scalev_order(**{name: value}) for value in values))
    for fact in rows(frames):
        assert f"bad_amount:{name}" in fact["flags"]
        assert (fact["is_money_reportable"], fact["excluded_reason"]) == (False, "bad_amount")
        assert all(fact[column] is None for column in MONEY_COLUMNS)
        assert fact["src_shipping_cost"] == 19000
    assert frames.discounts.empty


def test_missing_core_amount_is_bad_too() -> None:
    """Without it an absent field could be more lenient than a null one."""
    assert row(without(scalev_order(), "gross_revenue"))["excluded_reason"] == "bad_amount"


@pytest.mark.parametrize(
    "name",
    ["product_discount", "discount_code_discount", "unique_code_discount", "shipping_cost", "shipping_discount",
     "other_income"],
)  # fmt: skip
def test_components(name: str) -> None:
    """Without it a null component would exclude the order, or an unreadable one count as zero."""
    null, absent, bad = rows(
        derive(scalev_order(**{name: None}), without(scalev_order(), name), scalev_order(**{name: "Rp 9.500"}))
    )
    for fact in (null, absent):
        assert fact["is_money_reportable"]
        assert fact["null_components"] == f"{{{name}}}"
        assert fact[f"src_{name}"] is None
        assert fact["payment_amount"] == 168724
    assert (bad["excluded_reason"], bad["null_components"]) == ("bad_amount", "{}")


def test_measures_of_an_order_with_everything() -> None:
    """Without it a component could be left out of the sums, or be counted twice."""
    fact = row(
        scalev_order(
            product_price="125000.00", product_discount=5000, discount_code_discount="10000",
            unique_code_discount="276", discount_code_code=" save10 ", discount_code_applied_to="product_price",
            shipping_cost="12000", shipping_discount="2000.50", other_income="6500", gross_revenue="129723.50",
        )
    )  # fmt: skip
    assert {name: fact[name] for name in MONEY_COLUMNS} == {
        "gross_sales_amount": Decimal(125000),
        "sales_discount_amount": Decimal(15276),
        "net_sales_amount": Decimal(109724),
        "shipping_charged_amount": Decimal(12000),
        "shipping_discount_amount": Decimal("2000.50"),
        "net_shipping_amount": Decimal("9999.50"),
        "other_income_amount": Decimal(6500),
        "original_amount": Decimal(143500),
        "discount_amount": Decimal("17276.50"),
        "payment_amount": Decimal("129723.50"),
        "residual_amount": Decimal(3500),
        "promo_discount_amount": Decimal("17000.50"),
        "technical_discount_amount": Decimal(276),
    }
    assert fact["discount_code"] == "SAVE10"


@pytest.mark.parametrize("applied_to", ["shipping_cost", "SHIPPING", "free_shipping"])
def test_code_on_shipping(applied_to: str) -> None:
    """Without it free shipping would lower product revenue."""
    frames = derive(
        scalev_order(
            discount_code_code="ONGKIR8", discount_code_discount="8000", discount_code_applied_to=applied_to,
            gross_revenue="160724",
        )
    )  # fmt: skip
    fact = rows(frames)[0]
    assert fact["flags"] == set()
    assert (fact["sales_discount_amount"], fact["shipping_discount_amount"]) == (276, 8000)
    assert (fact["net_sales_amount"], fact["net_shipping_amount"], fact["residual_amount"]) == (149724, 11000, 0)
    code = frames.discounts[frames.discounts["discount_kind"] == "code"].iloc[0]
    assert (code["amount"], code["basis_amount"], code["discount_code"]) == (8000, 19000, "ONGKIR8")


def test_blank_discount_code_is_none() -> None:
    """Without it orders without a code would share a code named blank."""
    fact = row(scalev_order(discount_code_code="  "))
    assert fact["discount_code"] is None
    assert fact["flags"] == set()


def test_discount_rows_of_an_order() -> None:
    """Without it a kind of discount could be missing from the breakdown."""
    frames = derive(
        scalev_order(
            product_discount="1", discount_code_discount="2", shipping_discount="3", unique_code_discount="4",
            discount_code_code="x", discount_code_applied_to="product_price",
        )
    )  # fmt: skip
    found = frames.discounts[["discount_kind", "discount_class", "amount", "basis_amount"]].to_numpy().tolist()
    assert found == [
        ["product", "promotional", 1, 150000],
        ["code", "promotional", 2, 150000],
        ["shipping", "promotional", 3, 19000],
        ["unique_code", "technical", 4, 150000],
    ]


CURRENCY_CASES: list[tuple[list[str | None], str, str, str | None]] = [
    (["IDR"], "IDR", "lines", None),
    ([" idr ", "IDR", None], "IDR", "lines", None),
    (["USD"], "USD", "lines", None),
    ([None, ""], "IDR", "store_default", None),
    ([], "IDR", "store_default", None),
    (["IDR", "USD"], "XXX", "mixed", "mixed_currency"),
    (["IDR", "Rupiah"], "XXX", "mixed", "mixed_currency"),
    (["Rp"], "XXX", "invalid", "bad_currency"),
    (["XXX"], "XXX", "invalid", "bad_currency"),
    (["\uff29\uff24\uff32"], "XXX", "invalid", "bad_currency"),
]


@cache
def currency_facts() -> list[dict[str, Any]]:
    """The facts of each order of the table, derived in one batch."""
    lines = [[scalev_line(currency=currency) for currency in case[0]] for case in CURRENCY_CASES]
    return rows(derive(*(scalev_order(orderlines=part) for part in lines)))


@pytest.mark.parametrize("number", range(len(CURRENCY_CASES)), ids=lambda n: str(CURRENCY_CASES[n][0]))
def test_currency(number: int) -> None:
    """Without it amounts of two currencies could be added."""
    _, code, source, reason = CURRENCY_CASES[number]
    fact = currency_facts()[number]
    assert (fact["currency_code"], fact["currency_source"], fact["excluded_reason"]) == (code, source, reason)
    assert (fact["net_sales_amount"] is None) == (reason is not None)


def test_currency_trouble_is_named_before_bad_amounts() -> None:
    """Without it the reason for exclusion would depend on the order of the checks."""
    order = scalev_order(gross_revenue=None, orderlines=[scalev_line(currency="IDR"), scalev_line(currency="USD")])
    fact = row(order)
    assert fact["excluded_reason"] == "mixed_currency"
    assert {"mixed_currency", "bad_amount:gross_revenue"} <= fact["flags"]


@pytest.mark.parametrize(("amount", "is_read"), [("99999999999999.9999", True), ("100000000000000", False)])
def test_amounts_stay_small_enough_for_their_sums(amount: str, is_read: bool) -> None:  # noqa: FBT001 - a parameter
    """Without it one absurd order would break the load or the summary of everybody on numeric(20,4)."""
    fact = row(
        scalev_order(**dict.fromkeys(("product_price", "shipping_cost", "other_income", "gross_revenue"), amount))
    )
    assert (fact["excluded_reason"], fact["original_amount"]) == (
        (None, 3 * Decimal(amount)) if is_read else ("bad_amount", None)
    )


def test_counts_too_large_to_store() -> None:
    """Without it one absurd quantity or weight would break the load of its whole batch."""
    cases: list[tuple[dict[str, Any], str]] = [
        ({"orderlines": [scalev_line(quantity=2**31 - 1), scalev_line(quantity=2)]}, "total_quantity"),
        ({"total_quantity": 2**31}, "src_total_quantity"),
        ({"total_quantity": 10**400}, "src_total_quantity"),
        ({"total_quantity": "1.5"}, "src_total_quantity"),
        ({"total_weight": "9999999999999999.9999"}, "total_weight"),
        ({"total_weight": "100000000000"}, "total_weight"),
    ]
    facts = rows(derive(*(scalev_order(**overrides) for overrides, _ in cases)))
    assert [fact[column] for fact, (_, column) in zip(facts, cases, strict=True)] == [None] * len(cases)
    assert {fact["payment_amount"] for fact in facts} == {168724}


def test_line_prices_per_unit_tie_too() -> None:
    """Without it stores whose lines carry unit prices would be flagged on every order."""
    order = scalev_order(total_quantity=3, orderlines=[scalev_line(quantity=3, product_price="50000.00")])
    assert row(order)["flags"] == set()


@pytest.mark.parametrize(("cents", "expected"), [("9301", set()), ("9302", {"line_sum_mismatch"})])
def test_line_sums_are_exact(cents: str, expected: set[str]) -> None:
    """Without it lines could be added as floats, and a difference in the last place vanish."""
    fact = row(
        scalev_order(
            product_price="90071992547409.9301", gross_revenue="90071992566133.9301", total_quantity=2,
            orderlines=[scalev_line(product_price=f"90071992547406.{cents}"), scalev_line(product_price="3")],
        )
    )  # fmt: skip
    assert fact["flags"] == expected


def test_missing_customer_takes_the_account_s() -> None:
    """Without it the order would belong to nobody, or make a second person of the account."""
    known, unknown = rows(derive(scalev_order(), scalev_order(order_id="2", customer=None)))
    assert known["customer_key"] == keys.customer_key(HMAC_KEY, "scalev", "store_A", "101")
    assert unknown["customer_key"] == known["customer_key"]
    assert unknown["flags"] == {"customer_missing"}


def test_missing_customer_takes_what_was_known_before() -> None:
    """Without it an order without a customer would make a second person when it comes alone."""
    content = scalev_page([scalev_order(customer=None)])
    remembered = derive_pages(page(content, known_customer_key="abc"))
    never_seen = derive_pages(page(content))
    assert remembered.orders["customer_key"].tolist() == ["abc"]
    assert never_seen.orders["customer_key"].tolist() == [
        keys.customer_key(HMAC_KEY, "scalev", "store_A", "account:store_A/c-001")
    ]


def test_accounts_of_a_batch_do_not_lend_each_other_customers() -> None:
    """Without it an order could move to another person who is loaded in the same batch."""
    one = page(scalev_page([scalev_order()]))
    two = page(scalev_page([scalev_order(order_id="2", customer=None)]), partition_key="store_A/c-002", crawl_id=2)
    first, second = derive_pages(one, two).orders["customer_key"]
    assert first != second


def test_missing_order_code_falls_back_to_the_id() -> None:
    """Without it such orders would share one key, or change it with every crawl."""
    by_id, by_content, again = rows(
        derive(
            scalev_order(order_id=None),
            scalev_order(order_id=None, id=None),
            without(scalev_order(), "order_id", "id"),
        )
    )
    assert by_id["source_order_id"] == scalev_order()["id"]
    assert by_content["source_order_id"].startswith("sha256:")
    assert by_content["order_key"] == again["order_key"]


@pytest.mark.parametrize("order_id", [250130, "250130", " 250130 "])
def test_order_ids_of_any_form(order_id: object) -> None:
    """Without it an id sent as a number would be another order than the same id sent as text."""
    assert row(scalev_order(order_id=order_id))["order_key"] == keys.order_key("scalev", "store_A", "250130")


@pytest.mark.parametrize(
    ("overrides", "expected", "source"),
    [
        ({}, datetime(2025, 1, 29, 20, 28, 8, tzinfo=UTC), "created_at"),
        ({"created_at": None, "draft_time": "2025-01-29T01:00:00Z"},
         datetime(2025, 1, 29, 1, tzinfo=UTC), "draft_time"),
        ({"created_at": "0026-01-01T00:00:00Z", "draft_time": None, "pending_time": "2025-01-29T02:00:00Z"},
         datetime(2025, 1, 29, 2, tzinfo=UTC), "pending_time"),
        ({**NO_TIMES, "shipped_time": "2025-01-29T04:00:00Z", "paid_time": "2025-01-29T03:00:00Z"},
         datetime(2025, 1, 29, 3, tzinfo=UTC), "earliest_time"),
        (NO_TIMES, FETCHED_AT, "first_seen"),
    ],
)  # fmt: skip
def test_ordered_at(overrides: dict[str, Any], expected: datetime, source: str) -> None:
    """Without it an order without its usual time would be lost, or dated by a worse one."""
    fact = row(scalev_order(**overrides))
    assert (fact["ordered_at"], fact["ordered_at_source"]) == (expected, source)


def test_dates_are_those_of_the_store() -> None:
    """Without it evening orders would fall on the day before."""
    content = scalev_page([scalev_order(created_at="2025-01-31T15:30:00Z")])
    dates = [
        derive_pages(page(content, time_zone=zone)).orders["order_date"].tolist()[0]
        for zone in ("Asia/Jakarta", "Asia/Jayapura")
    ]
    assert dates == [date(2025, 1, 31), date(2025, 2, 1)]


@pytest.mark.parametrize("name", ["at", "time", "timestamp"])
def test_history_fills_absurd_columns(name: str) -> None:
    """Without it S5 of the worked example would be recognised without a date."""
    fact = row(
        scalev_order(
            payment_status="unpaid", payment_method="cod", completed_time="0026-02-04T17:30:00Z", paid_time=None,
            status_history=[{name: "2025-02-04T17:30:00Z", "by": {"email": "x"}, "status": "Completed"}],
        )
    )  # fmt: skip
    assert fact["recognised_at"] == datetime(2025, 2, 4, 17, 30, tzinfo=UTC)
    assert fact["recognised_date"] == date(2025, 2, 5)
    assert fact["flags"] == {"bad_timestamp:completed_time"}


def test_odd_history_entries_are_left_out() -> None:
    """Without it an unreadable entry could become a milestone."""
    order = scalev_order(
        status_history=[{}, {"status": "paid"}, {"at": "2025-01-01T00:00:00Z"}, {"status": "paid", "at": "2025-01-01"}]
    )
    frames = derive(order)
    assert frames.lifecycles["paid_at"].tolist() == [datetime(2025, 1, 30, 2, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("service", "shipped_time", "physical"),
    [
        ({"code": "REG"}, None, True),
        (None, "2025-01-30T08:28:08Z", True),
        (None, None, False),
        (None, "0026-01-30T08:28:08Z", False),
    ],
)
def test_is_physical(service: object, shipped_time: str | None, physical: bool) -> None:  # noqa: FBT001 - a table
    """Without it the denominator of the return rate would hold downloads."""
    fact = row(scalev_order(courier_service=service, shipped_time=shipped_time))
    assert fact["is_physical"] is physical


def test_geography_is_off_by_default() -> None:
    """Without it places of people would be stored although nobody asked for it."""
    order = scalev_order(destination_address={"province": "Jawa Barat", "city": "Bandung"})
    off, on = derive(order).orders, derive(order, policy=Policy(store_geography=True)).orders
    assert off["ship_city"].isna().all()
    assert (on["ship_province"].tolist(), on["ship_city"].tolist()) == (["Jawa Barat"], ["Bandung"])


def test_last_store_name_wins() -> None:
    """Without it a renamed store would be two, or keep its old name."""
    orders = [scalev_order(store={"name": name}) for name in ("Old", "New", None)]
    stores = derive(*orders).stores
    assert stores["display_name"].tolist() == ["New"]
    assert stores["store_key"].tolist() == ["scalev|store_A"]

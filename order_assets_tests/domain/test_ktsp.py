"""What the fields of a KTSP order mean."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_assets.domain import keys, ktsp
from order_assets.domain.pages import Frames, Page
from order_assets.domain.recognition import Policy
from order_assets_tests.factories import FETCHED_AT, HMAC_KEY, ktsp_order, ktsp_page, member_page, without


def derive(*orders: dict[str, Any]) -> Frames:
    """Derive one page."""
    return derive_pages(member_page(ktsp_page(orders)))


def derive_pages(*pages: Page) -> Frames:
    """Derive several pages."""
    return ktsp.derive(pages, Policy(), HMAC_KEY)


def row(**overrides: Any) -> dict[str, Any]:
    """The fact row of one order, nulls as None."""
    return rows(derive(ktsp_order(**overrides)))[0]


def rows(frames: Frames) -> list[dict[str, Any]]:
    """The fact rows, nulls as None."""
    records = frames.orders.to_dict("records")
    return [{str(k): None if pd.isna(v) else v for k, v in record.items()} for record in records]


def test_the_document_s_sample() -> None:
    """Without it the three amounts could be confused with each other."""
    k1 = row()
    assert k1["order_key"] == keys.order_key("ktsp", "ktsp", "2024091011191818231978786816")
    assert k1["customer_key"] == keys.customer_key(HMAC_KEY, "ktsp", "ktsp", "KT00000001")
    assert k1["store_key"] == "ktsp|KTSP010000001"
    assert (k1["original_amount"], k1["discount_amount"], k1["payment_amount"]) == (1000, 200, 800)
    assert (k1["gross_sales_amount"], k1["sales_discount_amount"], k1["net_sales_amount"]) == (1000, 200, 800)
    assert (k1["promo_discount_amount"], k1["technical_discount_amount"], k1["residual_amount"]) == (200, 0, 0)
    assert (k1["currency_code"], k1["currency_source"], k1["state_source"]) == ("HKD", "account_config", "assumed")
    assert (k1["recognition_state"], k1["order_state"], k1["payment_state"]) == (
        "recognised",
        "completed",
        "assumed_paid",
    )
    assert k1["ordered_at"] == k1["recognised_at"] == datetime(2024, 8, 31, 2, tzinfo=UTC)
    assert k1["order_date"] == date(2024, 8, 31)
    assert k1["anomaly_codes"] == "{}"


def test_what_the_source_does_not_report_is_null() -> None:
    """Without it an unknown would look like a measured zero."""
    fact = row()
    unknown = (
        "shipping_charged_amount", "shipping_discount_amount", "net_shipping_amount", "other_income_amount",
        "source_status", "payment_method", "is_cod", "is_physical", "line_count", "total_quantity", "lost_kind",
        "src_product_price", "source_updated_at", "discount_code",
    )  # fmt: skip
    assert [name for name in unknown if fact[name] is not None] == []


def test_utc_times_and_no_shop() -> None:
    """Without it K2 of the worked example would fall in August and lose its shop."""
    k2 = row(orderTime="2024-08-31T16:30:00Z", originalAmount="500.00", discountAmount="50.00",
             paymentAmount="440.00", storeCode=None)  # fmt: skip
    assert k2["order_date"] == date(2024, 9, 1)
    assert k2["store_key"] == "ktsp|unknown"
    assert k2["residual_amount"] == -10
    assert k2["anomaly_codes"] == "{residual_negative,store_missing}"


@pytest.mark.parametrize(
    ("overrides", "codes"),
    [
        ({"orderTime": "2024-08-31T10:00:00"}, "{bad_timestamp:orderTime,ordered_at_missing,recognised_at_missing}"),
        ({"orderTime": None}, "{ordered_at_missing,recognised_at_missing}"),
        ({"originalAmount": "1,000.00"}, "{bad_amount:originalAmount}"),
        ({"discountAmount": None}, "{bad_amount:discountAmount}"),
        ({"paymentAmount": "NaN"}, "{bad_amount:paymentAmount}"),
        ({"paymentAmount": "900.00"}, "{residual_positive}"),
        ({"originalAmount": "-1000", "discountAmount": "0", "paymentAmount": "-1000"},
         "{discount_exceeds_original,negative_amount:originalAmount,negative_amount:paymentAmount}"),
        ({"discountAmount": "1200", "paymentAmount": "-200"},
         "{discount_exceeds_original,negative_amount:paymentAmount}"),
        ({"originalAmount": "99999999999999", "discountAmount": "-99999999999999", "paymentAmount": "99999999999999"},
         "{negative_amount:discountAmount,residual_negative}"),
        ({"orderCode": None}, "{order_code_missing}"),
        ({"orderCode": " "}, "{order_code_missing}"),
        ({"orderCode": {"a": 1}}, "{order_code_missing}"),
        ({"storeCode": ""}, "{store_missing}"),
    ],
)  # fmt: skip
def test_anomalies(overrides: dict[str, Any], codes: str) -> None:
    """Without it a row that cannot be trusted would look like any other."""
    assert row(**overrides)["anomaly_codes"] == codes


@pytest.mark.parametrize("name", ["originalAmount", "discountAmount", "paymentAmount"])
def test_bad_amounts_are_kept_out_of_sums(name: str) -> None:
    """Without it an unreadable amount could count as zero."""
    values: list[object] = [None, "", "1,000.00", "0.00001", "NaN", {}, True]
    frames = derive(*(ktsp_order(**{name: value}) for value in values))
    for fact in rows(frames):
        assert (fact["is_money_reportable"], fact["excluded_reason"]) == (False, "bad_amount")
        assert all(fact[measure] is None for measure in ("net_sales_amount", "payment_amount", "residual_amount"))
    assert frames.discounts.empty


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b'"2024091011191818231978786816"', "2024091011191818231978786816"),
        (b"2024091011191818231978786816", "2024091011191818231978786816"),
        (b'" A-1 "', "A-1"),
        (rb'"A\/1"', "A/1"),
        (rb'"\u0041"', "A"),
        (b"0", "0"),
        (rb'"A\ud83d"', "A\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_order_codes_of_any_form(sent: bytes, code: str) -> None:
    """Without it a 28-digit code sent as a number would lose its last digits, and two orders become one."""
    content = ktsp_page([ktsp_order(orderCode="CODE")]).replace(b'"CODE"', sent)
    frames = derive_pages(member_page(content))
    assert rows(frames)[0]["source_order_id"] == code


def test_orders_without_a_code_are_known_by_content() -> None:
    """Without it two such orders would be one, or one order two after the next crawl."""
    first, same, other = rows(
        derive(
            ktsp_order(orderCode=None), without(ktsp_order(), "orderCode"), ktsp_order(orderCode=None, storeCode="X")
        )
    )
    assert first["source_order_id"].startswith("sha256:")
    assert first["source_order_id"] == same["source_order_id"] != other["source_order_id"]


@pytest.mark.parametrize("content", [b"{}", b'{"items": null}', b'{"status": 1, "items": []}'])
def test_no_orders(content: bytes) -> None:
    """Without it a member without orders would fail."""
    frames = derive_pages(member_page(content))
    assert frames.orders.empty
    assert frames.discounts.empty
    assert frames.stores.empty


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"items": {}}', b'{"items": [1]}'])
def test_what_is_no_page_is_refused(content: bytes) -> None:
    """Without it an error page could pass for an empty history."""
    with pytest.raises(msgspec.DecodeError):
        derive_pages(member_page(content))


@pytest.mark.parametrize("odd", [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", rb"\ud83d", rb"\ude00"])
def test_a_broken_letter_does_not_cost_the_page(odd: bytes) -> None:
    """Without it one broken letter in a shop's name would stop the load of every account, for ever."""
    orders = [ktsp_order(orderCode="1", storeNameEn="NAME"), ktsp_order(orderCode="2")]
    frames = derive_pages(member_page(ktsp_page(orders).replace(b"NAME", odd)))
    assert frames.orders["source_order_id"].tolist() == ["1", "2"]
    assert frames.orders["payment_amount"].tolist() == [800, 800]


def test_fingerprints_stay() -> None:
    """Without it, every order would be a new version of itself, and be written again, after an update of ours."""
    fingerprint = "205fb1a55b6e1f7be80483d0e4a4e8736fba491d3a6e371ce946164cd2383ec1"
    assert derive(ktsp_order()).orders["payload_sha256"].tolist() == [fingerprint]


def test_the_same_member_id_in_two_programmes_is_two_people() -> None:
    """Without it members of one programme would take the pseudonyms of another's, loaded in the same batch."""
    content = ktsp_page([ktsp_order()])
    one = member_page(content, source_account="one", partition_key="one/KT1")
    two = member_page(content, source_account="two", partition_key="two/KT1", crawl_id=2)
    expected = [keys.customer_key(HMAC_KEY, "ktsp", account, "KT1") for account in ("one", "two")]
    assert derive_pages(one, two).orders["customer_key"].tolist() == expected


def test_discount_row() -> None:
    """Without it the discount would be missing from the discount summaries, or count twice."""
    frames = derive(ktsp_order(), ktsp_order(orderCode="2", discountAmount="0", paymentAmount="1000"))
    assert len(frames.discounts) == 1
    discount = frames.discounts.iloc[0]
    assert (discount["discount_kind"], discount["discount_class"]) == ("order", "unknown")
    assert (discount["amount"], discount["basis_amount"]) == (Decimal(200), Decimal(1000))


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ({}, "Store name (EN)"),
        ({"storeNameEn": None}, "Store name (TC)"),
        ({"storeNameEn": " ", "storeNameTc": None}, "Store name (SC)"),
        ({"storeNameEn": None, "storeNameTc": None, "storeNameSc": None}, "KTSP010000001"),
    ],
)
def test_shop_names(names: dict[str, Any], shown: str) -> None:
    """Without it a shop could have no name to show."""
    assert derive(ktsp_order(**names)).stores["display_name"].tolist() == [shown]


def test_last_name_of_a_shop_wins() -> None:
    """Without it a renamed shop would be two, or keep its old name."""
    orders = [ktsp_order(orderCode="1", storeNameEn="Old"), ktsp_order(orderCode="2", storeNameEn="New"),
              ktsp_order(orderCode="3", storeNameEn=None)]  # fmt: skip
    assert derive(*orders).stores["display_name"].tolist() == ["New"]


def test_policy_makes_no_difference() -> None:
    """Without it a policy about statuses could class orders that have none."""
    page = member_page(ktsp_page([ktsp_order()]))
    by_policy = [ktsp.derive([page], Policy(recognition=p), HMAC_KEY).orders for p in ("paid", "placed", "shipped")]
    assert by_policy[0].equals(by_policy[1])
    assert by_policy[0].equals(by_policy[2])


def test_first_seen_stands_in_for_a_missing_time() -> None:
    """Without it an order with an impossible time would be lost, although its money counts."""
    fact = row(orderTime="0026-01-01T00:00:00Z")
    assert (fact["ordered_at"], fact["ordered_at_source"]) == (FETCHED_AT, "first_seen")
    assert fact["recognised_at"] is None
    assert fact["payment_amount"] == 800


AMOUNTS = st.decimals(-(10**6), 10**6, places=2).map(str) | st.integers(-(10**6), 10**6) | st.none() | st.just("x")


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({
            "orderCode": st.integers(0, 10**28).map(str),
            "originalAmount": AMOUNTS,
            "discountAmount": AMOUNTS,
            "paymentAmount": AMOUNTS,
            "orderTime": st.sampled_from(["2024-08-31T10:00:00Z", None, "junk"]),
        }),
        max_size=8,
    )
)  # fmt: skip
def test_identities_hold(drawn: list[dict[str, Any]]) -> None:
    """Without it an order could break the CHECKs of the table and with them the load of its batch."""
    frames = derive_pages(member_page(json.dumps({"items": drawn}).encode()))
    for fact in rows(frames):
        assert fact["is_money_reportable"] == (fact["net_sales_amount"] is not None)
        assert fact["is_money_reportable"] == (fact["excluded_reason"] is None)
        if fact["is_money_reportable"]:
            assert fact["original_amount"] - fact["discount_amount"] + fact["residual_amount"] == fact["payment_amount"]
            assert fact["net_sales_amount"] + fact["residual_amount"] == fact["payment_amount"]
    reportable = frames.orders[frames.orders["is_money_reportable"]]
    assert frames.discounts["amount"].sum() == reportable["discount_amount"].sum()

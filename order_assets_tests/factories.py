"""Named builders of order JSON and pages; the defaults are the first orders of `golden/inputs.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from order_assets.domain.pages import Page

HMAC_KEY = "golden-test-key"
FETCHED_AT = datetime(2025, 2, 28, tzinfo=UTC)


def scalev_line(**overrides: Any) -> dict[str, Any]:
    """One order line: one piece for 150,000 rupiah."""
    return {
        "id": "l1-1",
        "quantity": 1,
        "variant": 11,
        "variant_sku": "BCF009",
        "product_name": "Amazing Product",
        "currency": "IDR",
        "variant_price": "150000.00",
        "product_price": "150000.00",
        "discount": "0.00",
        "discount_code_discount": "0.00",
    } | overrides


def scalev_order(**overrides: Any) -> dict[str, Any]:
    """The vendor's own sample, completed and paid: nothing about it is odd."""
    return {
        "id": "01948092-9b80-7f91-b23d-1a8686278331",
        "order_id": "250130JQHFZG",
        "store": {"name": "Example Store", "unique_id": "store_A"},
        "customer": {"id": 101},
        "status": "completed",
        "payment_status": "paid",
        "payment_method": "bank_transfer",
        "product_price": "150000.00",
        "product_discount": "0.00",
        "discount_code_discount": "0.00",
        "discount_code_code": None,
        "discount_code_applied_to": None,
        "unique_code_discount": "276.00",
        "shipping_cost": "19000.00",
        "shipping_discount": "0.00",
        "other_income": "0.00",
        "gross_revenue": "168724.00",
        "total_quantity": 1,
        "courier_service": {"code": "STANDARD"},
        "orderlines": [scalev_line()],
        "created_at": "2025-01-29T20:28:08Z",
        "draft_time": "2025-01-29T20:28:08Z",
        "pending_time": "2025-01-29T20:28:08Z",
        "confirmed_time": "2025-01-30T02:00:00Z",
        "in_process_time": "2025-01-30T03:00:00Z",
        "ready_time": "2025-01-30T04:00:00Z",
        "shipped_time": "2025-01-30T08:28:08Z",
        "completed_time": "2025-02-02T08:28:08Z",
        "rts_time": None,
        "canceled_time": None,
        "closed_time": None,
        "unpaid_time": "2025-01-29T20:28:08Z",
        "paid_time": "2025-01-30T02:00:00Z",
        "transfer_time": "2025-01-29T17:00:00Z",
        "last_updated_at": "2025-02-02T08:28:08Z",
        "status_history": [],
    } | overrides


def ktsp_order(**overrides: Any) -> dict[str, Any]:
    """The document's own sample."""
    return {
        "orderCode": "2024091011191818231978786816",
        "orderTime": "2024-08-31T10:00:00+08:00",
        "originalAmount": "1000.00",
        "discountAmount": "200.00",
        "paymentAmount": "800.00",
        "storeCode": "KTSP010000001",
        "storeNameEn": "Store name (EN)",
        "storeNameSc": "Store name (SC)",
        "storeNameTc": "Store name (TC)",
    } | overrides


def without(order: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The order with fields absent rather than null."""
    return {name: value for name, value in order.items() if name not in names}


def scalev_page(orders: Iterable[Any], **envelope: Any) -> bytes:
    """A last page of Scalev orders."""
    body = {
        "data": list(orders),
        "is_paginated": True,
        "has_next": False,
        "has_previous": False,
        "next_cursor": None,
        "previous_cursor": None,
        "page_size": 25,
    }
    return json.dumps(body | envelope).encode()


def ktsp_page(orders: Iterable[Any], **envelope: Any) -> bytes:
    """A last page of KTSP orders."""
    body = {
        "status": 1,
        "errorCode": 0,
        "message": "success",
        "morePage": False,
        "pageNo": 0,
        "pageSize": 200,
        "items": list(orders),
    }
    return json.dumps(body | envelope).encode()


def page(content: bytes, **overrides: Any) -> Page:
    """A Scalev page of one customer of store_A."""
    context: dict[str, Any] = {
        "source_account": "store_A",
        "partition_key": "store_A/c-001",
        "time_zone": "Asia/Jakarta",
        "currency_code": "IDR",
        "fetched_at": FETCHED_AT,
        "crawl_id": 1,
        "page_number": 1,
    }
    return Page(content=content, **(context | overrides))


def member_page(content: bytes, **overrides: Any) -> Page:
    """A KTSP page of member KT00000001."""
    context: dict[str, Any] = {
        "source_account": "ktsp",
        "partition_key": "ktsp/KT00000001",
        "time_zone": "Asia/Hong_Kong",
        "currency_code": "HKD",
        "page_number": 0,
    }
    return page(content, **(context | overrides))

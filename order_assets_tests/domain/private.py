"""A Scalev order's personal data, every text of it recognisable."""

from __future__ import annotations

from typing import Any


def canary(name: str) -> str:
    """A text that must not leave the page."""
    return f"canary-{name}"


PRIVATE: dict[str, Any] = {
    "customer": {"id": 101, "email": canary("email@example.com"), "phone": canary("+62812"), "name": canary("name")},
    "destination_address": {
        "id": 5, "name": canary("recipient"), "phone": canary("phone"), "address": canary("street"),
        "subdistrict": canary("subdistrict"), "city": canary("city"), "province": canary("province"),
        "postal_code": canary("postal"), "location": canary("location"),
    },
    "notes": canary("notes"),
    "secret_slug": canary("slug"),
    "public_order_url": canary("public-url"),
    "payment_url": canary("payment-url"),
    "transferproof_url": canary("proof"),
    "payment_account_holder": canary("holder"),
    "payment_account_number": canary("account"),
    "pg_payment_info": {"va_number": canary("va"), "qr_string": canary("qr"), "customer_name": canary("payer")},
    "shipment_receipt": canary("receipt"),
    "chat_message": canary("chat"),
    "handler": {"email": canary("handler")},
    "store": {"name": "Example Store", "unique_id": "store_A",
              "payment_accounts": [{"account_number": canary("merchant")}]},
    "status_history": [{"at": "2025-01-30T02:00:00Z", "status": "paid",
                        "by": {"email": canary("by"), "name": canary("by")}},
                       {"time": "2025-01-30T02:00:00Z", "status": "ready", "by": canary("by-text")}],
    "shipment_status_history": [{"status": "x", "description": canary("shipment")}],
    "final_variants": {canary("variant"): 1},
}  # fmt: skip

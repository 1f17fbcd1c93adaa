"""The same crawl and merge with dlt, as its documentation advises: runs in an environment of its own, without us.

Accounts in parallel threads, two processes to normalise, CSV files loaded by COPY, orders merged by key with their
lines and status history as child tables. Money is declared as decimal. By default all fields of an order are loaded as
they are sent, as one does with dlt; with `whole` false only those that our facts use, which halves its work.
"""

import json
import os
import sys

import dlt
import requests

MONEY = (
    "product_price product_discount discount_code_discount unique_code_discount shipping_cost shipping_discount"
    " other_income gross_revenue"
).split()
KEPT = (
    *MONEY,
    *(
        "id order_id status payment_status shipment_status awb_status payment_method sub_payment_method"
        " is_dropshipping discount_code_code discount_code_applied_to discount_rate other_income_name"
        " total_quantity total_weight created_at last_updated_at draft_time pending_time confirmed_time"
        " in_process_time ready_time shipped_time completed_time rts_time canceled_time closed_time unpaid_time"
        " paid_time transfer_time"
    ).split(),
)
LINE = (
    "id quantity variant variant_sku product_name item_type pricing_type interval is_digital currency weight"
    " variant_price product_price discount discount_code_discount"
).split()
KTSP = {
    "orderCode": "order_code",
    "originalAmount": "original_amount",
    "discountAmount": "discount_amount",
    "paymentAmount": "payment_amount",
}
DECIMAL = {"data_type": "decimal", "precision": 20, "scale": 4}


def session() -> requests.Session:
    """Return a session that keeps its connections."""
    made = requests.Session()
    made.mount("http://", requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=64))
    return made


def slim(order: dict, store: str, *, whole: bool) -> dict:
    """Return an order with its store; if it need not be whole, only the fields that the facts need."""
    if whole:
        return {**order, "store_id": store}
    kept = {name: order.get(name) for name in KEPT}
    kept["store_id"] = store
    kept["customer_id"] = (order.get("customer") or {}).get("id")
    kept["orderlines"] = [{name: line.get(name) for name in LINE} for line in order.get("orderlines") or []]
    kept["status_history"] = [
        {"status": entry.get("status"), "time": entry.get("time")} for entry in order.get("status_history") or []
    ]
    return kept


@dlt.source(max_table_nesting=1)
def histories(base_url: str, scalev: list, ktsp: list, whole: bool):
    """Both APIs as one source."""
    http = session()

    @dlt.resource(name="customers", selected=False)
    def customers():
        yield from scalev

    @dlt.resource(name="members", selected=False)
    def members():
        yield from ktsp

    @dlt.transformer(
        data_from=customers,
        write_disposition="merge",
        primary_key=("store_id", "order_id"),
        parallelized=True,
        columns=dict.fromkeys(MONEY, DECIMAL),
    )
    def scalev_orders(account):
        url = f"{base_url}/v3/stores/{account['store']}/customers/me/orders"
        cursor = None
        while True:
            params = {"page_size": 25} | ({"next_cursor": cursor} if cursor else {})
            page = http.get(url, params=params, headers={"Authorization": f"Bearer {account['token']}"}).json()
            yield [slim(order, account["store"], whole=whole) for order in page["data"]]
            cursor = page["next_cursor"]
            if not page["has_next"]:
                return

    @dlt.transformer(
        data_from=members,
        write_disposition="merge",
        primary_key="order_code",
        parallelized=True,
        columns=dict.fromkeys(("original_amount", "discount_amount", "payment_amount"), DECIMAL),
    )
    def ktsp_orders(member):
        number = 0
        while True:
            body = {"pageNo": number, "pageSize": 200, "memberId": member}
            page = http.post(f"{base_url}/v1/order/list", json=body, headers={"Authorization": "Bearer app"}).json()
            yield [
                {**{KTSP.get(name, name): value for name, value in order.items()}, "member_id": member}
                for order in page["items"]
            ]
            if not page["morePage"]:
                return
            number += 1

    return scalev_orders, ktsp_orders


def main() -> None:
    """Run the pipeline once; print how many rows it loaded."""
    task = json.load(sys.stdin)
    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.postgres(task["database_url"]),
        dataset_name="peer",
        pipelines_dir=task["folder"],
    )
    pipeline.run(histories(task["base_url"], task["scalev"], task["ktsp"], task["whole"]), loader_file_format="csv")
    sys.stdout.write(json.dumps(pipeline.last_trace.last_normalize_info.row_counts, default=str))


if __name__ == "__main__":
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    main()

"""One planted defect per data-quality check, or more: what names it, what plants it, what the check calls it."""

# ruff: noqa: S608 - statements of literals of this file
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defect:
    """`plants` are statements over `:key`, which the query `names_it` returns; the check names it, or `found_as`."""

    check: str
    names_it: str
    plants: tuple[str, ...]
    found_as: str = ""


EXPECTED_IN_THE_WORLD = {
    "residual_is_zero": 54,  # fees of electronic payments
    "statuses_are_in_sequence": 1,
    "statuses_are_known": 1,
    "timestamps_in_window": 1,
}
"""What the world has on purpose, as the sources do."""

DROP_CONSTRAINTS = """
    do $$ declare found record; begin
        for found in
            select conrelid::regclass as name, conname from pg_constraint
            where connamespace = 'marts'::regnamespace and contype in ('c', 'u', 'f')
        loop
            execute format('alter table %s drop constraint %I', found.name, found.conname);
        end loop;
    end $$
"""
"""What would not let most defects in."""

_ORDER = "select order_key as key from marts.order_facts where {} order by order_key limit 1"
_CLEAN = (
    "recognition_state = 'recognised' and is_money_reportable and source_system = 'scalev' and discount_amount > 0"
    " and anomaly_codes = '{{}}'"
)
_ONE = _ORDER.format(_CLEAN.replace("{{}}", "{}"))
_DISCOUNTED = (
    "select order_key as key from marts.discount_facts where discount_kind = 'product' and amount < basis_amount"
    " order by order_key limit 1"
)
_MEMBER = _ORDER.format("source_system = 'ktsp'")
_LINED = (
    "select l.order_key as key from marts.order_line_facts as l inner join marts.order_facts as f using (order_key)"
    " where f.is_money_reportable and f.anomaly_codes = '{}' and f.recognition_state = 'recognised'"
    " order by l.order_key limit 1"
)
_DAY_KEY = "order_date || ' ' || store_key || ' ' || currency_code"
_DAY = f"select {_DAY_KEY} as key from marts.revenue_daily where orders_recognised > 0 order by order_date limit 1"
_TWO_DAYS = _DAY.replace("limit 1", "limit 1 offset 1")
_ACCOUNT = "select source_system || ' ' || partition_key as key from ops.accounts order by account_number limit 1"
_CRAWL = (
    "select source_system || ' ' || partition_key || ' crawl ' || crawl_id as key from ops.crawls"
    " where source_system = 'scalev' order by crawl_id limit 1"
)
_IS_CRAWL = "source_system || ' ' || partition_key || ' crawl ' || crawl_id = :key"


def _order(check: str, change: str, names_it: str = _ONE, *first: str) -> Defect:
    update = f"update marts.order_facts set {change} where order_key = :key"
    return Defect(check, names_it, (*first, update))


def _flag(check: str, code: str, names_it: str = _ONE) -> Defect:
    return _order(check, f"anomaly_codes = anomaly_codes || '{code}'::text", names_it)


def _day(check: str, change: str) -> Defect:
    return Defect(check, _DAY, (f"update marts.revenue_daily set {change} where {_DAY_KEY} = :key",))


def _group(check: str, table: str, keys: str, change: str, where: str = "true") -> Defect:
    """Change one row of a summary, named by its keys."""
    key = f"concat_ws(' ', {keys})"
    names_it = f"select {key} as key from marts.{table} where {where} order by 1 limit 1"
    return Defect(check, names_it, (f"update marts.{table} set {change} where {key} = :key",))


def _customer(check: str, change: str) -> Defect:
    """Change one row of the customers of a source and currency, which is what the check names."""
    return Defect(
        check,
        "select concat_ws(' ', source_system, currency_code) as key from marts.customer_summary order by 1 limit 1",
        ((f"update marts.customer_summary set {change} where ctid = (select ctid from marts.customer_summary"
         " where concat_ws(' ', source_system, currency_code) = :key limit 1)"),),
    )  # fmt: skip


def _one_of_group(check: str, table: str, keys: str, change: str) -> Defect:
    """Change one of the rows of a summary that make up a coarser group, which is what the check names."""
    key = f"concat_ws(' ', {keys})"
    names_it = f"select {key} as key from marts.{table} order by 1 limit 1"
    plant = (
        f"update marts.{table} set {change} where ctid = (select ctid from marts.{table} where {key} = :key limit 1)"
    )
    return Defect(check, names_it, (plant,))


_STORE_DAY = "order_date, source_system, store_key, currency_code"
_STORE_MONTH = "order_month, source_system, store_key, currency_code"
_MONTH_GROUP = "order_month, source_system, store_key, currency_code"
_RATES = {
    "revenue_daily": (_STORE_DAY, "promo_discounted_order_rate = 1.5"),
    "revenue_monthly": (_STORE_MONTH, "total_discount_rate = -0.1"),
    "discount_by_kind_daily": (f"{_STORE_DAY}, discount_kind", "discount_rate = 1.000001"),
    "discount_by_kind_monthly": (f"{_STORE_MONTH}, discount_kind", "share_of_discount = 2"),
    "discount_by_code": ("source_system, source_account, currency_code, discount_code", "redemption_lost_rate = 2"),
    "discount_by_code_monthly": (
        "order_month, source_system, source_account, currency_code, discount_code", "redemption_lost_rate = -1",
    ),
    "repeat_rate": ("source_system, currency_code", "repeat_rate = 1.1"),
    "customer_cohort_monthly": ("source_system, currency_code, cohort_month, month_number", "retention_rate = 1.1"),
    "product_daily": ("order_date, store_key, currency_code, product_key", "rts_unit_rate = 1.1"),
    "product_monthly": ("order_month, store_key, currency_code, product_key", "rts_unit_rate = -0.1"),
    "lifecycle_monthly": ("order_month, store_key, step, payment_family", "coverage = 1.1"),
}  # fmt: skip

DEFECTS: dict[str, Defect] = {
    "an order twice": Defect(
        "natural_key_unique", _ONE,
        ("create temporary table twin on commit drop as select * from marts.order_facts where order_key = :key",
         "update twin set order_key = '000'", "alter table twin drop column revenue_class",
         "insert into marts.order_facts ({columns}) select {columns} from twin"), "000",
    ),
    "a second id twice": Defect(
        "uuid_unique", _ONE,
        ("create temporary table twin on commit drop as select * from marts.order_facts where order_key = :key",
         "update twin set order_key = '000', source_order_id = 'other'", "alter table twin drop column revenue_class",
         "insert into marts.order_facts ({columns}) select {columns} from twin"), "000",
    ),
    "no date": _order("required_columns_present", "order_date = null", _ONE,
                      "alter table marts.order_facts alter order_date drop not null"),
    "a store that is not there": _order("references_resolve", "store_key = 'scalev|nowhere'"),
    "a customer that is not there": _order("references_resolve", "customer_key = 'nobody'"),
    "a line without its order": Defect(
        "references_resolve", "select 'gone' as key",
        (("update marts.order_line_facts set order_key = :key where ctid ="
         " (select ctid from marts.order_line_facts limit 1)"),),
    ),
    "a discount without its order": Defect(
        "references_resolve", "select 'gone' as key",
        (("update marts.discount_facts set order_key = :key where ctid ="
         " (select ctid from marts.discount_facts limit 1)"),),
    ),
    "an event without its order": Defect(
        "references_resolve", "select 'gone' as key",
        (("update marts.order_status_events set order_key = :key where ctid ="
         " (select ctid from marts.order_status_events limit 1)"),),
    ),
    "an order from nowhere": Defect(
        "orders_match_pages", _ONE, ("delete from ops.order_lineage where order_key = :key",)
    ),
    "an order beyond its page": Defect(
        "orders_match_pages", _ONE, ("update ops.order_lineage set position = 5000 where order_key = :key",)
    ),
    "orders that were lost": Defect(
        "orders_match_pages", _CRAWL, (f"update ops.crawls set orders_seen = 5000 where {_IS_CRAWL}",)
    ),
    "a class of its own": _order("classes_are_exclusive", "revenue_class = 'other'", _ONE,
                                 "alter table marts.order_facts alter revenue_class drop expression"),
    "a class that is not the state's": _order("classes_are_exclusive", "revenue_class = 'open'", _ONE,
                                              "alter table marts.order_facts alter revenue_class drop expression"),
    "ladder off by a cent": _order("revenue_ladder_holds", "net_sales_amount = net_sales_amount + 0.01"),
    "triple off by the last digit": _order("conformed_triple_holds", "original_amount = original_amount + 0.0001"),
    "reportable without net sales": _order("reportable_orders_have_money", "net_sales_amount = null"),
    "reportable without payment": _order("reportable_orders_have_money", "payment_amount = null"),
    "money that is withheld": _order("reportable_orders_have_money", "is_money_reportable = false"),
    "money in no currency": _order("currency_is_valid", "currency_code = 'XXX'"),
    "a currency of digits": _order("currency_is_valid", "currency_code = '123'"),
    "money as floating point": Defect(
        "money_columns_are_exact", "select 'repeat_rate.aov_net_sales' as key",
        ("alter table marts.repeat_rate add column aov_net_sales double precision",),
    ),
    "a tenth of a cent": _order("amounts_fit_the_currency", "src_shipping_cost = 1.005"),
    "a fraction of a yen": _order("amounts_fit_the_currency", "currency_code = 'JPY', src_shipping_cost = 0.5"),
    "a discount that is missing": Defect(
        "discounts_tie_to_orders", _ONE, ("delete from marts.discount_facts where order_key = :key",)
    ),
    "a discount off by the last digit": Defect(
        "discounts_tie_to_orders", _ONE,
        (("update marts.discount_facts set amount = amount + 0.0001 where order_key = :key and discount_kind ="
         " (select min(discount_kind) from marts.discount_facts where order_key = :key)"),),
    ),
    "a line off by the last digit": Defect(
        "lines_tie_to_orders", _LINED,
        (("update marts.order_line_facts set line_net_sales_amount = line_net_sales_amount + 0.0001"
         " where order_key = :key and line_number = 1"),),
    ),
    "a store twice": Defect(
        "joins_keep_sums", "select 'IDR' as key",
        ("alter table marts.dim_store drop constraint dim_store_pkey",
         "insert into marts.dim_store select * from marts.dim_store where default_currency = :key limit 1"),
    ),
    "a day too early": _order("dates_are_local", "order_date = order_date - 1"),
    "revenue a day too late": _order("dates_are_local", "recognised_date = recognised_date + 1"),
    "a zone of nowhere": Defect(
        "zones_are_known", "select 'Asia/Nowhere' as key",
        ("update marts.dim_store set time_zone = :key where store_key = (select min(store_key) from marts.dim_store)",),
    ),
    "a day off by the last digit": _day("daily_ties_to_facts", "net_sales_amount = net_sales_amount + 0.0001"),
    "a day with an order too many": _day("daily_ties_to_facts", "orders_total = orders_total + 1"),
    "a day with another residual": _day("daily_ties_to_facts", "residual_amount = residual_amount - 0.0001"),
    "a day that is missing": Defect(
        "daily_ties_to_facts", _DAY, (f"delete from marts.revenue_daily where {_DAY_KEY} = :key",)
    ),
    "a day without orders": Defect(
        "daily_ties_to_facts", _TWO_DAYS, (f"delete from marts.order_facts where {_DAY_KEY} = :key",)
    ),
    "a class that is lost on the way": _day("daily_counts_add_up", "orders_open = orders_open + 1"),
    "a mail address": _order("no_personal_data", "other_income_name = 'for budi.s@example.co.id'"),
    "a telephone number": Defect(
        "no_personal_data", _LINED,
        ("update marts.order_line_facts set option1 = 'call 081234567890' where order_key = :key and line_number = 1",),
    ),
    "a telephone number with its country": _order("no_personal_data", "ship_city = '+62 812-3456-7890'"),
    "a mail address as a status": Defect(
        "no_personal_data", "select min(order_key) as key from marts.order_status_events",
        ("update marts.order_status_events set status = 'BUDI@EXAMPLE.COM' where order_key = :key",),
    ),
    "a secret link": _order("no_personal_data", "discount_code = 'https://pay.example.com/order/x1'"),
    "a column of addresses": Defect(
        "no_personal_data", "select 'dim_customer.postal_code' as key",
        ("alter table marts.dim_customer add column postal_code text",),
    ),
    "a summary without currency in its key": Defect(
        "currencies_stay_apart", "select 'revenue_daily has no currency in its key' as key",
        ("alter table marts.revenue_daily drop constraint revenue_daily_pkey",),
    ),
    "a discount in another currency": Defect(
        "currencies_stay_apart", _ONE,
        ("update marts.discount_facts set currency_code = 'USD' where order_key = :key",),
    ),
    "deleted without a crawl": _order("tombstones_have_a_crawl", "is_deleted_at_source = true"),
    "deleted by a crawl that saw half": _order(
        "tombstones_have_a_crawl", "is_deleted_at_source = true", _ONE,
        "insert into ops.vanished_orders select crawl_id, order_key from ops.order_lineage where order_key = :key",
        "update ops.crawls set status = 'incomplete'",
    ),
    "a fee": _order("residual_is_zero", "residual_amount = 1", _ORDER.format("residual_amount = 0")),
    "a payment too small": _order("residual_is_not_negative", "residual_amount = -1"),
    "a fee as large as the order": _order("residual_is_small", "residual_amount = original_amount"),
    "revenue without a time": _order("recognised_orders_are_dated", "recognised_at = null"),
    "a time of the year 26": _flag("timestamps_in_window", "bad_timestamp:completed_time"),
    "a status nobody knows": _flag("statuses_are_known", "unknown_status"),
    "a payment status nobody knows": _flag("statuses_are_known", "unknown_payment_status"),
    "completed but unpaid": _flag("completed_orders_are_paid", "completed_unpaid"),
    "a negative shipping cost": _order("amounts_are_not_negative", "src_shipping_cost = -1"),
    "a negative payment of a member": _order("amounts_are_not_negative", "payment_amount = -1", _MEMBER),
    "a line of nothing": Defect(
        "amounts_are_not_negative", _LINED,
        ("update marts.order_line_facts set quantity = 0 where order_key = :key and line_number = 1",),
    ),
    "a discount of more than all": _order("discounts_are_within_bounds", "discount_amount = original_amount + 1"),
    "a part of more than its basis": Defect(
        "discounts_are_within_bounds", _ONE,
        ("update marts.discount_facts set basis_amount = amount - 1 where order_key = :key",),
    ),
    "lines of another price": _flag("header_agrees_with_lines", "line_sum_mismatch"),
    "lines of another number": _flag("header_agrees_with_lines", "quantity_mismatch"),
    "a month of another sum": _group(
        "revenue_months_tie_to_days", "revenue_monthly", _MONTH_GROUP, "payment_amount = payment_amount + 0.0001"
    ),
    "a month of discounts of another sum": _group(
        "discount_months_tie_to_days", "discount_by_kind_monthly", f"{_MONTH_GROUP}, discount_kind",
        "basis_amount = basis_amount + 0.0001",
    ),
    "a month of products of another number": _group(
        "product_months_tie_to_days", "product_monthly", "order_month, store_key, currency_code, product_key",
        "units_rts = units_rts + 1",
    ),
    "a customer of another sum": _customer(
        "customers_tie_to_facts", "lifetime_net_sales = lifetime_net_sales + 0.0001"
    ),
    "a customer with an order more": _customer("customers_tie_to_facts", "orders_recognised = orders_recognised + 1"),
    "a product of another sum": _one_of_group(
        "products_tie_to_facts", "product_monthly", "order_month, store_key, currency_code",
        "net_sales_amount = net_sales_amount + 0.0001",
    ),
    "a cohort that is too large": _one_of_group(
        "cohorts_tie_to_customers", "customer_cohort_monthly", "source_system, currency_code, cohort_month",
        "cohort_size = cohort_size + 1",
    ),
    "a cohort with an idle customer": Defect(
        "cohorts_tie_to_customers",
        "select concat_ws(' ', source_system, currency_code, cohort_month) as key from marts.customer_cohort_monthly"
        " order by 1 limit 1",
        (("update marts.customer_cohort_monthly set active_customers = 0 where month_number = 0"
         " and concat_ws(' ', source_system, currency_code, cohort_month) = :key"),),
    ),
    "out of sequence": Defect(
        "statuses_are_in_sequence", _ONE,
        ("update marts.order_lifecycle set is_sequence_ok = false where order_key = :key",),
    ),
    "completed before it was ordered": Defect(
        "statuses_are_in_sequence", _ONE,
        ("update marts.order_lifecycle set completed_at = ordered_at - interval '1 second' where order_key = :key",),
    ),
    "a movement off by the last digit": _one_of_group(
        "movements_tie_to_facts", "revenue_movements_daily", "source_system, store_key, currency_code",
        "recognised_payment_amount = recognised_payment_amount + 0.0001",
    ),
    "a published movement that is not its parts": _one_of_group(
        "movements_tie_to_facts", "revenue_movements_daily", "source_system, store_key, currency_code",
        "net_sales_amount = net_sales_amount + 0.0001",
    ),
    "an account of yesterday": Defect(
        "accounts_are_fresh", _ACCOUNT,
        (("update ops.crawls set finished_at = now() - interval '25 hours' where source_system || ' ' || partition_key"
         " = :key"),),
    ),
    "an account of last week": Defect(
        "accounts_are_not_stale", _ACCOUNT,
        (("update ops.crawls set finished_at = now() - interval '73 hours' where source_system || ' ' || partition_key"
         " = :key"),),
    ),
    "an account that never was complete": Defect(
        "accounts_are_not_stale", _ACCOUNT,
        ("update ops.crawls set status = 'incomplete' where source_system || ' ' || partition_key = :key",
         ("update ops.accounts set added_at = now() - interval '4 days' where source_system || ' ' || partition_key"
         " = :key")),
    ),
    "a day of silence": Defect(
        "volume_is_usual",
        "select concat_ws(' ', 'scalev', min(f.source_account), '2019-03-01') as key from marts.order_facts as f"
        " where f.source_system = 'scalev'",
        ("update ops.crawls set started_at = '2019-03-01 17:00:00+00' where source_system = 'scalev'",
         ("create temporary table busy on commit drop as select f.* from marts.order_facts as f where f.order_key ="
         " (select min(order_key) from marts.order_facts where source_system = 'scalev' and source_account ="
         " (select min(source_account) from marts.order_facts where source_system = 'scalev'))"),
         "alter table busy drop column revenue_class",
         ("insert into marts.order_facts ({columns}) select {columns} from (select (jsonb_populate_record(b,"
         " jsonb_build_object('order_key', n || ' ' || d, 'order_date', date '2019-03-01' - d))).* from busy as b,"
         " generate_series(1, 12) as n, generate_series(1, 28) as d) as x")),
    ),
    "an order that came older than it is known": Defect(
        "payloads_are_not_stale", _CRAWL, (f"update ops.crawls set stale_payloads = 1 where {_IS_CRAWL}",)
    ),
    "an order seen twice": Defect(
        "pages_are_continuous", _CRAWL, (f"update ops.crawls set duplicates = 1 where {_IS_CRAWL}",)
    ),
    "a page cut short": Defect(
        "pages_are_continuous", _CRAWL,
        (("insert into raw.order_pages (crawl_id, page_number, pass_number, fetched_at, http_status, content_encoding,"
         " body, body_sha256, items) select crawl_id, 2, 1, now(), 200, 'identity', '', repeat('1', 64),"
         f" orders_seen + 1 from ops.crawls where {_IS_CRAWL}"),),
    ),
    "a currency that nobody named": _order("currency_is_stated", "currency_source = 'store_default'"),
    "a code that takes nothing off": _flag("codes_are_coherent", "code_without_amount"),
    "a discount of no code": _flag("codes_are_coherent", "amount_without_code"),
    "an order out of an error": Defect(
        "ktsp_envelopes_are_good", _MEMBER,
        (("insert into raw.order_pages (crawl_id, page_number, pass_number, fetched_at, http_status, content_encoding,"
         " body, body_sha256) select l.crawl_id, 9, 1, now(), 200, 'identity', '', repeat('1', 64)"
         " from ops.order_lineage as l where l.order_key = :key"),
         "update ops.order_lineage set page_number = 9 where order_key = :key"),
    ),
    "a member nobody knows": Defect(
        "members_are_found",
        "select min(partition_key) as key from ops.accounts where source_system = 'ktsp'",
        ("update ops.accounts set state = 'not_found' where source_system = 'ktsp' and partition_key = :key",),
    ),
    "an order of two members": _flag("members_share_no_order", "member_conflict", _MEMBER),
    **{
        f"a rate of {table}": _group(
            f"{table.removesuffix('_rate')}_rates_in_range", table, keys, change,
            "currency_code <> 'XXX'" if "currency_code" in keys else "true",
        )
        for table, (keys, change) in _RATES.items()
    },
}  # fmt: skip

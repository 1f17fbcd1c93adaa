"""The queries of `truth`: what is compared of the ledger, what a reader sees, what must not be left over."""

from __future__ import annotations

LEDGER = """
    select a.partition_key, a.state, c.status, c.reason
    from ops.accounts as a
    left join lateral (
        select * from ops.crawls as c
        where c.source_system = a.source_system and c.partition_key = a.partition_key
        order by c.crawl_id desc limit 1
    ) as c on true
    union all
    select l.partition_key, l.order_key, l.is_open::text, l.is_listed::text from ops.order_lineage as l
"""
"""How the last crawl of each account ended, and whose each order is."""

RESTATED = """
    select period, source_system, store_key, currency_code, metric, first_old, last_new
    from (
        select
            period, source_system, store_key, currency_code, metric,
            (array_agg(old_value order by restatement_id))[1] as first_old,
            (array_agg(new_value order by restatement_id desc))[1] as last_new
        from ops.restatements
        group by 1, 2, 3, 4, 5
    ) as r
    where first_old is distinct from last_new
"""
"""What each published sum was at first and is now; how many steps it took may differ."""

FINGERPRINTS = """
    select l.partition_key, md5(string_agg(x.what, '' order by x.what))
    from (
        select order_key, order_key || payload_sha256 || is_deleted_at_source as what from marts.order_facts
        union all
        select order_key, t::text from marts.order_line_facts as t
        union all
        select order_key, t::text from marts.discount_facts as t
        union all
        select order_key, t::text from marts.order_status_events as t
        union all
        select order_key, t::text from marts.order_lifecycle as t
    ) as x
    inner join ops.order_lineage as l using (order_key)
    group by l.partition_key
"""

LEFT_OVER = {
    "crawls that are called running": "select count(*) from ops.crawls where status = 'running'",
    "crawls with pages that are not loaded": "select count(*) from ops.crawls where loaded_at is null and pages > 0",
    "locks": """
        select count(*) from pg_locks
        where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
    """,
    "sessions of the product": """
        select count(*) from pg_stat_activity
        where datname = current_database() and application_name like 'order-assets%' and pid <> pg_backend_pid()
    """,
    "places of an API taken": "select count(*) from ops.api_leases",
    "runs that did not end": "select count(*) from dagster.runs where status not in ('SUCCESS', 'FAILURE', 'CANCELED')",
    "pool slots taken": "select count(*) from dagster.concurrency_slots where run_id is not null",
    "steps that wait for a slot": "select count(*) from dagster.pending_steps",
    "orders twice": """
        select count(*) - count(distinct (source_system, source_account, source_order_id)) from marts.order_facts
    """,
    "orders of no account": """
        select count(*) from marts.order_facts as f
        where not exists (select from ops.order_lineage as l where l.order_key = f.order_key)
    """,
}  # fmt: skip

WORK = {
    "while a run waits in the queue": "select 1 from dagster.runs where status = 'QUEUED'",
    "while a tick is evaluated": "select 1 from dagster.job_ticks where status = 'STARTED'",
    "while a run starts": "select 1 from dagster.runs where status in ('NOT_STARTED', 'STARTING')",
    "while a schedule's refresh is at work": """
        select 1 from dagster.runs where pipeline_name = 'refresh_orders' and status = 'STARTED'
    """,
    "while a backfill's run is at work": """
        select 1 from dagster.runs where backfill_id is not null and status = 'STARTED'
    """,
    "while accounts are crawled": "select 1 from ops.crawls where status = 'running'",
    "while facts are loaded": "select 1 from dagster.runs where pipeline_name = 'load_facts' and status = 'STARTED'",
    "while months are summarised": """
        select 1 from dagster.runs where pipeline_name = 'summarise_months' and status = 'STARTED'
    """,
    "while an automation condition's run is at work": """
        select 1 from dagster.runs inner join dagster.run_tags using (run_id)
        where key = 'dagster/from_automation_condition' and status = 'STARTED'
    """,
}
"""What a daemon may have at work when it is killed; each query has a row while it is so."""

_FOLLOWS = "what may follow a run, since automation conditions are looked at twice a minute"
_REPORT = "the report"
OF_REPORTS = {_FOLLOWS, _REPORT}
"""What is due only where automation conditions make reports."""

NO_LONGER_DUE = {
    "the schedule's refresh": """
        select not exists (
            select from dagster.runs inner join dagster.run_tags using (run_id)
            where status = 'SUCCESS' and key = 'dagster/schedule_name' and value = 'refresh_orders_hourly'
        )
    """,
    "backfills": "select count(*) from dagster.bulk_actions where status not like 'COMPLETED%'",
    "runs": LEFT_OVER["runs that did not end"],
    _FOLLOWS: """
        select exists (select from dagster.runs where end_time > extract(epoch from now()) - 40)
    """,
    "runs that are to be tried again": """
        select count(*) from dagster.run_tags as t
        where t.key = 'dagster/will_retry' and t.value = 'true' and not exists (
            select from dagster.run_tags as r where r.key = 'dagster/parent_run_id' and r.value = t.run_id
        )
    """,
    "pages to load": LEFT_OVER["crawls with pages that are not loaded"],
    "accounts without a partition that is green": """
        select exists (
            select from ops.accounts as a
            where not exists (
                select from dagster.event_logs as e
                where e.partition = a.partition_key and e.dagster_event_type = 'ASSET_MATERIALIZATION'
            )
        )
    """,
    _REPORT: """
        select max(last_materialization_timestamp) filter (where asset_key like '%revenue_report%')
            < max(last_materialization_timestamp) filter (where asset_key like '%customer_summary%')
        from dagster.asset_keys
    """,
}
"""What a daemon has to do; each query says yes, or a number, as long as it is not done."""

_SUMS = """
    source_system, store_key, currency_code, orders_placed, orders_recognised, orders_open, orders_lost,
    gross_sales_amount, sales_discount_amount, net_sales_amount, net_shipping_amount, payment_amount,
    open_payment_amount, lost_payment_amount
"""
PUBLISHED = {
    # Orders that are gone from the source are counted apart, in orders_total and orders_excluded.
    "by day": f"select order_date, {_SUMS} from marts.revenue_daily where orders_total > orders_excluded",  # noqa: S608 - names
    "by month": f"select order_month, {_SUMS} from marts.revenue_monthly where orders_total > orders_excluded",  # noqa: S608 - names
    "products": "select * from marts.product_daily",
    "products by month": "select * from marts.product_monthly",
    "discounts": "select * from marts.discount_by_kind_daily where orders_recognised > 0",
    "codes": "select * from marts.discount_by_code",
    "repeat rate": "select * from marts.repeat_rate",
    "cohorts": "select * from marts.customer_cohort_monthly",
    "statuses": "select * from marts.status_funnel_monthly",
}
"""Published sums that a new installation must find as well."""

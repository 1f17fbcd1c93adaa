-- Orders that a complete crawl of the account's whole history no longer saw count as deleted at the source, unless a
-- later crawl brings them. Their former version goes into prior_versions, so that its groups are brought up to date.
with gone as (
    select distinct on (v.order_key) v.order_key, c.finished_at
    from ops.vanished_orders as v
    inner join ops.crawls as c on c.crawl_id = v.crawl_id
    inner join ops.order_lineage as l on l.order_key = v.order_key
    where
        v.crawl_id = any(cast(:crawl_ids as bigint []))
        and c.status = 'complete' and c.mode = 'full'
        and l.source_system = c.source_system and l.partition_key = c.partition_key
        and l.crawl_id <= v.crawl_id and l.is_listed
        and not exists (
            select 1 from accepted_orders as a where a.order_key = v.order_key and a.crawl_id > v.crawl_id
        )
    order by v.order_key, v.crawl_id desc
),

former as (
    insert into prior_versions
        (order_key, order_date, store_key, source_system, currency_code, customer_key, anomaly_codes)
    select f.order_key, f.order_date, f.store_key, f.source_system, f.currency_code, f.customer_key, f.anomaly_codes
    from marts.order_facts as f
    inner join gone as g on g.order_key = f.order_key
),

changed as (
    insert into changed_orders (order_key, is_new)
    select order_key, false from gone
    on conflict (order_key) do nothing
),

unlisted as (
    update ops.order_lineage as l
    set is_open = false, is_listed = false
    from gone as g
    where g.order_key = l.order_key
)

update marts.order_facts as f
set
    is_deleted_at_source = true,
    excluded_reason = coalesce(f.excluded_reason, 'deleted'),
    last_changed_at = g.finished_at,
    run_id = :run_id
from gone as g
where g.order_key = f.order_key

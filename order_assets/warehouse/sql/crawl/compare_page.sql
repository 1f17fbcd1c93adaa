-- Which orders of a page the facts hold, in which version; and how many listed orders of the account are newer than
-- the oldest one seen, on this page or before (`oldest`). One row with nulls if the facts hold none of the page.
with found as (
    select
        f.order_key, f.payload_sha256, f.ordered_at, l.crawl_id, l.is_listed,
        l.is_open or coalesce(l.is_listed and l.ordered_at >= cast(:late_since as timestamptz), false) as is_open
    from marts.order_facts as f
    inner join ops.order_lineage as l on l.order_key = f.order_key
    where f.order_key = any(cast(:order_keys as text []))
),

bound as (
    select least(min(ordered_at) filter (where is_listed), cast(:oldest as timestamptz)) as oldest from found
)

select
    f.*,
    b.oldest,
    (
        select count(*)
        from ops.order_lineage as l
        where
            l.source_system = :source_system and l.partition_key = :partition_key and l.is_listed
            and l.ordered_at > coalesce(b.oldest, '-infinity')
    ) as newer
from bound as b
left join found as f on true

-- Of several versions of one order in the stage, keep the newest: by the source's own clock, then by ours.
-- A KTSP order that two members list belongs to the member who brought it first, so other members' rows stay out.
create temporary table accepted_orders on commit drop as
with owners as (
    select distinct on (s.order_key)
        s.order_key,
        coalesce(f.customer_key, s.customer_key) as customer_key
    from stage_orders as s
    left join marts.order_facts as f on f.order_key = s.order_key
    where s.source_system = 'ktsp'
    order by s.order_key, s.crawl_id, s.page_number, s.position
)

select distinct on (s.order_key) s.*
from stage_orders as s
left join owners as o on o.order_key = s.order_key
where o.order_key is null or o.customer_key = s.customer_key
order by
    s.order_key, s.source_updated_at desc nulls last, s.fetched_at desc, s.crawl_id desc, s.page_number desc,
    s.position desc

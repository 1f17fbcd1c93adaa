-- Tell the ledger what each crawl brought when it was loaded first; a replay leaves that as it is.
update ops.crawls as c
set
    loaded_at = now(),
    orders_new = coalesce(n.orders_new, 0),
    orders_changed = coalesce(n.orders_changed, 0),
    stale_payloads = (select count(*) from stale_orders as s where s.crawl_id = loaded.crawl_id)
from unnest(cast(:crawl_ids as bigint [])) as loaded (crawl_id)
left join (
    select
        a.crawl_id,
        count(*) filter (where x.is_new) as orders_new,
        count(*) filter (where not x.is_new) as orders_changed
    from changed_orders as x
    inner join accepted_orders as a on a.order_key = x.order_key
    group by a.crawl_id
) as n on n.crawl_id = loaded.crawl_id
where c.crawl_id = loaded.crawl_id and c.loaded_at is null

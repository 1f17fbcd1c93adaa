-- No order is invented: each fact names its page, and its place is on it. None is lost: a store or programme has at
-- least as many facts as any complete crawl of one of its accounts saw orders. Where a person was forgotten (retired,
-- and without a key), orders they shared with others are gone on purpose, so the number says nothing.
select f.order_key
from marts.order_facts as f
left join ops.order_lineage as l on l.order_key = f.order_key
left join raw.order_pages as p on p.crawl_id = l.crawl_id and p.page_number = l.page_number
where l.order_key is null or l.position > p.items
union all
select c.source_system || ' ' || c.partition_key || ' crawl ' || max(c.crawl_id)
from ops.crawls as c
inner join ops.accounts as a on a.source_system = c.source_system and a.partition_key = c.partition_key
left join (
    select source_system, source_account, count(*) as orders
    from marts.order_facts
    group by source_system, source_account
) as n on n.source_system = a.source_system and n.source_account = a.source_account
where
    c.status = 'complete' and c.loaded_at is not null and c.orders_seen > coalesce(n.orders, 0)
    and not exists (
        select 1
        from ops.accounts as r
        left join ops.page_keys as k on k.source_system = r.source_system and k.partition_key = r.partition_key
        where
            r.source_system = a.source_system and r.source_account = a.source_account and r.state = 'retired'
            and k.partition_key is null
    )
group by c.source_system, c.partition_key

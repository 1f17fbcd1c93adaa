-- An order counts as deleted at the source only because a complete crawl of the whole history missed it.
select f.order_key
from marts.order_facts as f
where
    f.is_deleted_at_source
    and not exists (
        select 1
        from ops.vanished_orders as v
        inner join ops.crawls as c on c.crawl_id = v.crawl_id
        where v.order_key = f.order_key and c.status = 'complete' and c.mode = 'full'
    )

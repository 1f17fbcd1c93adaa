-- The last loaded crawl of each account brought no order older than the facts hold it already.
select concat_ws(' ', a.source_system, a.partition_key, 'crawl', c.crawl_id) as order_key
from ops.accounts as a
inner join lateral (
    select l.crawl_id, l.stale_payloads
    from ops.crawls as l
    where
        l.source_system = a.source_system and l.partition_key = a.partition_key and l.loaded_at is not null
    order by l.crawl_id desc
    limit 1
) as c on true
where c.stale_payloads > 0

-- The last loaded crawl of each account brought no order older than the facts hold it already.
select concat_ws(' ', c.source_system, c.partition_key, 'crawl', c.crawl_id) as order_key
from (
    select distinct on (source_system, partition_key) crawl_id, source_system, partition_key, stale_payloads
    from ops.crawls
    where loaded_at is not null
    order by source_system asc, partition_key asc, crawl_id desc
) as c
where c.stale_payloads > 0

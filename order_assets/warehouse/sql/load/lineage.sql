-- Where the version in the facts comes from.
insert into ops.order_lineage (order_key, source_system, partition_key, crawl_id, page_number, position)
select a.order_key, a.source_system, a.partition_key, a.crawl_id, a.page_number, a.position
from accepted_orders as a
inner join changed_orders as c on c.order_key = a.order_key
on conflict (order_key) do update set
    source_system = excluded.source_system, partition_key = excluded.partition_key, crawl_id = excluded.crawl_id,
    page_number = excluded.page_number, position = excluded.position

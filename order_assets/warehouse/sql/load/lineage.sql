-- Where the version in the facts comes from, and whether the next crawl has to look at the order again: its status can
-- still change while the order is neither at an end of its life nor settled. KTSP has no status; there, age decides.
insert into ops.order_lineage
    (order_key, source_system, partition_key, crawl_id, page_number, position, ordered_at, is_open, is_listed)
select
    a.order_key, a.source_system, a.partition_key, a.crawl_id, a.page_number, a.position, a.ordered_at,
    a.source_system = 'scalev' and (
        a.order_state not in ('completed', 'returned', 'canceled', 'closed')
        or a.recognition_state in ('draft', 'open')
    ),
    true
from accepted_orders as a
inner join changed_orders as c on c.order_key = a.order_key
on conflict (order_key) do update set
    source_system = excluded.source_system, partition_key = excluded.partition_key, crawl_id = excluded.crawl_id,
    page_number = excluded.page_number, position = excluded.position, ordered_at = excluded.ordered_at,
    is_open = excluded.is_open, is_listed = excluded.is_listed

-- Open a crawl of each account, in their order.
insert into ops.crawls (source_system, partition_key, mode, started_at, status, run_id)
select :source_system, a.partition_key, 'full', :now, 'running', :run_id
from unnest(cast(:keys as text [])) with ordinality as a (partition_key, place)
order by a.place
returning crawl_id, partition_key

-- Every account was crawled completely not long ago; one that never was counts from when it was configured.
select a.source_system || ' ' || a.partition_key as order_key
from ops.accounts as a
left join ops.crawls as c
    on c.source_system = a.source_system and c.partition_key = a.partition_key and c.status = 'complete'
where a.state <> 'retired'
group by a.source_system, a.partition_key, a.added_at
having
    coalesce(max(coalesce(c.finished_at, c.started_at)), a.added_at)
    < now() - make_interval(secs => cast(:{hours} as float) * 3600)

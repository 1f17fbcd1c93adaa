-- Per store or programme: how the last finished crawl of each account ended, in numbers.
select
    a.source_system as source,
    a.source_account,
    count(*) filter (where a.state <> 'retired') as accounts,
    count(*) filter (where a.state <> 'retired' and l.status = 'complete') as accounts_complete,
    count(*) filter (where a.state <> 'retired' and l.status is distinct from 'complete') as accounts_not_complete,
    count(*) filter (where a.state = 'retired') as accounts_retired,
    min(c.complete_at) filter (where a.state <> 'retired') as oldest_complete_at,
    max(c.complete_at) filter (where a.state <> 'retired') as newest_complete_at
from ops.accounts as a
left join lateral (
    select status
    from ops.crawls
    where source_system = a.source_system and partition_key = a.partition_key and finished_at is not null
    order by crawl_id desc
    limit 1
) as l on true
left join lateral (
    select finished_at as complete_at
    from ops.crawls
    where source_system = a.source_system and partition_key = a.partition_key and status = 'complete'
    order by crawl_id desc
    limit 1
) as c on true
group by a.source_system, a.source_account

-- How the last finished crawl of each account that is crawled ended, by reason, with one account as an example.
select
    coalesce(l.status, 'never crawled') as status,
    coalesce(l.reason, '') as reason,
    a.state,
    count(*) as accounts,
    min(a.partition_key) as example
from ops.accounts as a
left join lateral (
    select status, reason
    from ops.crawls
    where source_system = a.source_system and partition_key = a.partition_key and finished_at is not null
    order by crawl_id desc
    limit 1
) as l on true
where a.state <> 'retired'
group by 1, 2, 3
order by accounts desc, 1, 2, 3

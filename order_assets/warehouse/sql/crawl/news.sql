-- Accounts whose last crawl ended otherwise than people were told: it began to fail, fails for another reason, or is
-- complete again (`reason` NULL). A parked account is asked again by itself, and a run that
-- was stopped says nothing about its accounts: no news.
select a.source_system, a.partition_key, l.reason, l.reason_words
from ops.accounts as a
inner join lateral (
    select
        case when c.status <> 'complete' then c.reason end as reason,
        c.reason_words
    from ops.crawls as c
    where
        c.source_system = a.source_system and c.partition_key = a.partition_key
        and c.status in ('complete', 'incomplete', 'failed') and c.reason_words not like 'interrupted:%'
    order by c.crawl_id desc
    limit 1
) as l on true
where a.state <> 'retired' and l.reason is distinct from a.told_reason
order by a.source_system, l.reason, a.account_number

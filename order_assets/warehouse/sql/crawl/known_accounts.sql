-- What the facts know of accounts, and how the last crawl of each ended; a run that came by while another one was
-- crawling the account (parked, timeout) crawled nothing.
-- KTSP reports no status: there, orders placed since `late_since` can still change.
select
    a.partition_key,
    whole.finished_at as full_crawl_at,
    coalesce(whole.pages, 0) as full_pages,
    coalesce(whole.is_newest_first, false) as is_newest_first,
    coalesce(seen_to_the_end.crawl_id, 0) as complete_crawl_id,
    exists (
        select 1 from ops.crawls as c
        where
            c.source_system = :source_system and c.partition_key = a.partition_key
            and c.crawl_id > coalesce(whole.crawl_id, 0) and c.reason = any(cast(:doubts as text []))
    ) as is_in_doubt,
    opens.open_orders,
    opens.oldest_open_at,
    exists (
        select 1 from ops.order_lineage as l
        where l.source_system = :source_system and l.partition_key = a.partition_key and l.is_listed
    ) as has_orders,
    last.crawl_id,
    last.status,
    last.reason,
    last.started_at,
    last.resume_at,
    last.requests,
    last.pages,
    last.bytes,
    last.orders_seen
from unnest(cast(:keys as text [])) as a (partition_key)
left join lateral (
    select c.crawl_id, c.finished_at, c.pages, c.is_newest_first
    from ops.crawls as c
    where
        c.source_system = :source_system and c.partition_key = a.partition_key and c.mode = 'full'
        and c.status = 'complete' and (c.loaded_at is not null or c.pages = 0)
    order by c.crawl_id desc
    limit 1
) as whole on true
left join lateral (
    select c.crawl_id
    from ops.crawls as c
    where
        c.source_system = :source_system and c.partition_key = a.partition_key
        and c.status = 'complete' and (c.loaded_at is not null or c.pages = 0)
    order by c.crawl_id desc
    limit 1
) as seen_to_the_end on true
left join lateral (
    select count(*) as open_orders, min(ordered_at) as oldest_open_at
    from (
        select l.ordered_at
        from ops.order_lineage as l
        where l.source_system = :source_system and l.partition_key = a.partition_key and l.is_open
        union all
        select l.ordered_at
        from ops.order_lineage as l
        where
            l.source_system = :source_system and l.partition_key = a.partition_key and l.is_listed
            and l.ordered_at >= cast(:late_since as timestamptz)
    ) as can_change
) as opens on true
left join lateral (
    select c.*
    from ops.crawls as c
    where
        c.source_system = :source_system and c.partition_key = a.partition_key
        and not (c.status = 'parked' and c.reason = 'timeout')
    order by c.crawl_id desc
    limit 1
) as last on true

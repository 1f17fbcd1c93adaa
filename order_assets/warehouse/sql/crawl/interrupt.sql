-- Close crawls whose process is gone: those of accounts (`keys`), or those that a run began (`crawl_ids`) and still has.
update ops.crawls as c
set
    status = 'incomplete',
    reason = 'timeout',
    reason_words = 'interrupted: the run ended before the crawl did',
    finished_at = now(),
    pages = kept.pages,
    orders_seen = kept.orders
from (
    select r.crawl_id, count(p.crawl_id) as pages, coalesce(sum(p.items), 0) as orders
    from ops.crawls as r
    left join raw.order_pages as p on p.crawl_id = r.crawl_id
    where
        r.status = 'running'
        and (
            (r.run_id = :run_id and r.crawl_id = any(cast(:crawl_ids as bigint [])))
            or (r.source_system = :source_system and r.partition_key = any(cast(:keys as text [])))
        )
    group by r.crawl_id
) as kept
where c.crawl_id = kept.crawl_id

-- Take up crawls that were interrupted; returns what they left behind. A process that was killed left no counts.
with reopened as (
    update ops.crawls
    set
        status = 'running', reason = null, reason_words = null, resume_at = null, finished_at = null, loaded_at = null,
        run_id = :run_id
    where crawl_id = any(cast(:crawl_ids as bigint []))
    returning crawl_id, requests, pages, bytes
)

select
    r.crawl_id,
    coalesce(max(p.page_number), 0) as last_page,
    greatest(r.requests, count(p.crawl_id)) as requests,
    greatest(r.pages, count(p.crawl_id)) as pages,
    greatest(r.bytes, coalesce(sum(octet_length(p.body)), 0)) as bytes
from reopened as r
left join raw.order_pages as p on p.crawl_id = r.crawl_id
group by r.crawl_id, r.requests, r.pages, r.bytes

-- Pages of these crawls whose body is that of a page of the account's crawl before: stored once, in the first that had it.
-- The hash is of what is in the body; sent otherwise, it is another body.
-- Only now, since an interrupted crawl reads its own pages again when it goes on.
update raw.order_pages as p
set
    body = '',
    same_crawl_id = coalesce(s.same_crawl_id, s.crawl_id),
    same_page_number = coalesce(s.same_page_number, s.page_number)
from ops.crawls as c
cross join lateral (
    select max(b.crawl_id) as crawl_id
    from ops.crawls as b
    where
        b.source_system = c.source_system and b.partition_key = c.partition_key and b.crawl_id < c.crawl_id
        and b.pages > 0
) as before
inner join raw.order_pages as s on s.crawl_id = before.crawl_id
where
    c.crawl_id = any(cast(:crawl_ids as bigint []))
    and p.crawl_id = c.crawl_id and p.body_sha256 = s.body_sha256 and p.content_encoding = s.content_encoding
    and octet_length(p.body) > 0
    and (octet_length(s.body) > 0 or s.same_crawl_id is not null)

-- The next crawls whose pages are old enough: ended, and in the facts as far as they could be loaded.
select c.crawl_id
from ops.crawls as c
where
    c.crawl_id > :after and c.finished_at < :before and c.status <> 'running'
    and (c.loaded_at is not null or c.pages = 0)
    and exists (select 1 from raw.order_pages as p where p.crawl_id = c.crawl_id)
order by c.crawl_id
limit :crawls

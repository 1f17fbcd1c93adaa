-- Delete the pages of crawls. Of a page that a fact still comes from, the body goes and the row stays: when it was
-- fetched, by which crawl, and how many orders were on it. A body that a younger page has as well is as young as that.
with pages as (
    select
        p.crawl_id,
        p.page_number,
        octet_length(p.body) as bytes,
        p.same_crawl_id is not null as is_copy,
        exists (
            select 1
            from ops.order_lineage as l
            where
                l.source_system = c.source_system and l.partition_key = c.partition_key
                and l.crawl_id = p.crawl_id and l.page_number = p.page_number
        ) as is_named
    from raw.order_pages as p
    inner join ops.crawls as c on c.crawl_id = p.crawl_id
    where
        p.crawl_id = any(cast(:crawl_ids as bigint []))
        and not exists (
            select 1
            from raw.order_pages as y
            where
                y.same_crawl_id = p.crawl_id and y.same_page_number = p.page_number
                and y.crawl_id <> all(cast(:crawl_ids as bigint []))
        )
),

emptied as (
    update raw.order_pages as p
    set body = '', same_crawl_id = null, same_page_number = null
    from pages as n
    where p.crawl_id = n.crawl_id and p.page_number = n.page_number and n.is_named and (n.bytes > 0 or n.is_copy)
    returning n.bytes
),

deleted as (
    delete from raw.order_pages as p
    using pages as n
    where p.crawl_id = n.crawl_id and p.page_number = n.page_number and not n.is_named
    returning n.bytes
)

select
    count(*) filter (where bytes > 0) as pages,
    coalesce(sum(bytes), 0) as bytes,
    count(*) as touched
from (
    select bytes from emptied
    union all
    select bytes from deleted
) as gone

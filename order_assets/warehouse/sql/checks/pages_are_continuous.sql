-- The last crawl of each account saw no order twice, and no page but the last of a pass was shorter than the others.
with latest as (
    select distinct on (source_system, partition_key) crawl_id, source_system, partition_key, duplicates
    from ops.crawls
    where pages > 0 and status <> 'running'
    order by source_system asc, partition_key asc, crawl_id desc
),

short as (
    select distinct p.crawl_id
    from (
        select
            r.crawl_id, r.items,
            max(r.items) over (partition by r.crawl_id) as full_page,
            lead(r.page_number) over (partition by r.crawl_id, r.pass_number order by r.page_number) as next_page
        from raw.order_pages as r
        inner join latest as c on c.crawl_id = r.crawl_id
    ) as p
    where p.next_page is not null and p.items < p.full_page
)

select concat_ws(' ', c.source_system, c.partition_key, 'crawl', c.crawl_id) as order_key
from latest as c
where c.duplicates > 0 or c.crawl_id in (select s.crawl_id from short as s)

-- Orders whose past is not on the pages any more: the page that showed them first is gone, by age (its body is empty or
-- its row deleted) or by hand. Their rows are what a replay goes on from, since only they know what those pages said.
create temporary table replay_past on commit drop as
select f.order_key
from marts.order_facts as f
inner join ops.order_lineage as l on l.order_key = f.order_key
where
    not exists (
        select 1
        from raw.order_pages as p
        inner join ops.crawls as c on c.crawl_id = p.crawl_id
        where
            c.source_system = f.source_system and p.fetched_at = f.first_seen_at and p.items > 0
            and (octet_length(p.body) > 0 or p.same_crawl_id is not null)
    )

-- Former facts that the replay could not derive, since their page is gone, under a lost key, or of a crawl that is
-- under way again or could not be loaded. They stay as they were.
create temporary table replay_kept on commit drop as
select f.order_key
from replay_order_facts as f
inner join replay_order_lineage as l on l.order_key = f.order_key
left join raw.order_pages as p on p.crawl_id = l.crawl_id and p.page_number = l.page_number
left join ops.page_keys as k on k.source_system = l.source_system and k.partition_key = l.partition_key
where
    not exists (select 1 from marts.order_facts as n where n.order_key = f.order_key)
    and (
        p.crawl_id is null or (octet_length(p.body) = 0 and p.same_crawl_id is null) or k.partition_key is null
        or l.crawl_id <> all(cast(:replayed as bigint []))
    )

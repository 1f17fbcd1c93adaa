-- Every order an account's history was thought to hold before this crawl (which may have been interrupted, and partly
-- loaded). Orders without an identifier of their own are left out: they are known by their content, which may have
-- changed.
select f.source_order_id, f.order_key, f.ordered_at
from ops.order_lineage as l
inner join marts.order_facts as f on f.order_key = l.order_key
where
    l.source_system = :source_system and l.partition_key = :partition_key and l.is_listed
    and l.crawl_id <> :crawl_id
    and not f.source_order_id like 'sha256:%'

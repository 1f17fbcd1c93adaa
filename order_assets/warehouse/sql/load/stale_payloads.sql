-- Versions that are older than what the facts already hold; they are ignored.
create temporary table stale_orders on commit drop as
select a.order_key, a.crawl_id
from accepted_orders as a
inner join marts.order_facts as f on f.order_key = a.order_key
where a.source_updated_at < f.source_updated_at

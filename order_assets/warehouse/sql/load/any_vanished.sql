-- Whether any of the crawls found that orders are gone.
select exists (select 1 from ops.vanished_orders where crawl_id = any(cast(:crawl_ids as bigint [])))

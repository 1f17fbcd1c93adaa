-- Restatements stay, without the orders and crawls of a person who is forgotten.
update ops.restatements as r
set
    order_keys = array(
        select k from unnest(r.order_keys) with ordinality as u (k, place)
        where k <> all(cast(:order_keys as text [])) order by place
    ),
    crawl_id = case when r.crawl_id <> all(cast(:crawl_ids as bigint [])) then r.crawl_id end
where r.order_keys && cast(:order_keys as text []) or r.crawl_id = any(cast(:crawl_ids as bigint []))

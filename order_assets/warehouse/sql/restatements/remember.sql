-- What the orders that this load may change add to their months before it; nothing before the first months are published.
create temporary table restated_before on commit drop as
select
    f.order_key, f.order_date, f.source_system, f.store_key, f.currency_code, f.revenue_class, f.net_sales_amount,
    f.payment_amount, f.discount_amount
from marts.order_facts as f
where
    exists (select 1 from marts.revenue_daily)
    and f.order_key in (
        select order_key from accepted_orders
        union
        select order_key from ops.vanished_orders where crawl_id = any(cast(:crawl_ids as bigint []))
    )

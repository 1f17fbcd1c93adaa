-- Orders have their store and customer; lines, discounts, events and milestones their order.
select f.order_key
from marts.order_facts as f
where
    not exists (select 1 from marts.dim_store as s where s.store_key = f.store_key)
    or not exists (select 1 from marts.dim_customer as c where c.customer_key = f.customer_key)
union
select x.order_key
from (
    select order_key from marts.order_line_facts
    union all
    select order_key from marts.discount_facts
    union all
    select order_key from marts.order_status_events
    union all
    select order_key from marts.order_lifecycle
) as x
where not exists (select 1 from marts.order_facts as f where f.order_key = x.order_key)

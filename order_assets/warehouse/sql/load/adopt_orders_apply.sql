-- See adopt_orders.
with former as (
    insert into prior_versions (order_key, order_date, store_key, source_system, currency_code, customer_key)
    select f.order_key, f.order_date, f.store_key, f.source_system, f.currency_code, f.customer_key
    from marts.order_facts as f
    inner join adopted_orders as a on a.order_key = f.order_key
),

changed as (
    insert into changed_orders (order_key, is_new)
    select order_key, false from adopted_orders
    on conflict (order_key) do nothing
)

update marts.order_facts as f
set customer_key = a.customer_key
from adopted_orders as a
where a.order_key = f.order_key

-- What every sum and join relies on is there.
select coalesce(order_key, source_order_id, 'no key') as order_key
from marts.order_facts
where
    order_key is null or store_key is null or customer_key is null or ordered_at is null or order_date is null
    or currency_code is null or revenue_class is null

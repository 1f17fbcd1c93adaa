-- How many recognised orders each customer with a placed order has.
select
    source_system, currency_code, customer_key,
    count(*) filter (where revenue_class = 'recognised') as orders_recognised
from marts.order_facts
where revenue_class in ('recognised', 'open', 'lost')
group by source_system, currency_code, customer_key

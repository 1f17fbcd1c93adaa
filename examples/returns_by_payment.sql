-- How many parcels come back, by way of payment and courier?
-- Only parcels whose end is known count: returned to sender, or completed.
select
    store,
    currency,
    coalesce(payment_method, 'unknown') as payment_method,
    coalesce(courier_code, 'unknown') as courier,
    count(*) as parcels,
    count(*) filter (where lost_kind = 'rts') as returned,
    round(count(*) filter (where lost_kind = 'rts')::numeric / count(*), 4) as return_rate,
    sum(payment) filter (where lost_kind = 'rts') as payment_lost
from reporting.orders
where
    (revenue_class = 'lost' and lost_kind = 'rts')
    or (revenue_class in ('recognised', 'open') and order_state = 'completed' and is_physical)
group by store, currency, payment_method, courier_code
order by parcels desc, store, payment_method, courier;

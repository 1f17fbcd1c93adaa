-- Movements by event date: + at recognition, - when a paid order is lost. Each lost order that was paid has both.
with moved as (
    select f.*, f.revenue_class = 'lost' as is_reversed
    from marts.order_facts as f
    left join marts.order_lifecycle as l on l.order_key = f.order_key
    where
        f.revenue_class = 'recognised'
        or (f.revenue_class = 'lost' and f.payment_state in ('paid', 'settled') and l.paid_at is not null)
)

select
    coalesce(recognised_date, order_date) as movement_date,
    source_system, store_key, currency_code, net_sales_amount, payment_amount,
    true as is_recognition,
    recognised_date is null as is_fallback
from moved
union all
select
    coalesce(lost_date, (source_updated_at at time zone store_time_zone)::date, recognised_date, order_date),
    source_system, store_key, currency_code, net_sales_amount, payment_amount,
    false,
    lost_date is null
from moved
where is_reversed

-- Every day, store and currency of the daily summary equals the facts exactly, and no day of the facts is missing.
-- Months whose summary has not followed the latest load yet are left out: they are stale, not wrong.
with followed as (
    select t.order_month
    from ops.touched_months as t
    inner join ops.summarised_months as s
        on s.order_month = t.order_month and s.table_name = 'revenue_daily' and s.change_number = t.change_number
),

facts as (
    select
        f.order_date, f.source_system, f.store_key, f.currency_code,
        count(*) as orders_total,
        count(*) filter (where f.revenue_class = 'recognised') as orders_recognised,
        count(*) filter (where f.revenue_class = 'lost') as orders_lost,
        count(*) filter (where f.revenue_class = 'open') as orders_open,
        coalesce(sum(f.gross_sales_amount) filter (where f.revenue_class = 'recognised'), 0) as gross_sales_amount,
        coalesce(sum(f.net_sales_amount) filter (where f.revenue_class = 'recognised'), 0) as net_sales_amount,
        coalesce(sum(f.discount_amount) filter (where f.revenue_class = 'recognised'), 0) as discount_amount,
        coalesce(sum(f.payment_amount) filter (where f.revenue_class = 'recognised'), 0) as payment_amount,
        coalesce(sum(f.payment_amount) filter (where f.revenue_class = 'lost'), 0) as lost_payment_amount
    from marts.order_facts as f
    inner join followed as m on m.order_month = date_trunc('month', f.order_date)
    group by f.order_date, f.source_system, f.store_key, f.currency_code
),

daily as (
    select d.*
    from marts.revenue_daily as d
    inner join followed as m on m.order_month = date_trunc('month', d.order_date)
)

select
    coalesce(f.order_date, d.order_date)::text || ' ' || coalesce(f.store_key, d.store_key) || ' '
    || coalesce(f.currency_code, d.currency_code) as order_key
from facts as f
full outer join daily as d
    on d.order_date = f.order_date and d.source_system = f.source_system and d.store_key = f.store_key
    and d.currency_code = f.currency_code
where
    (f.orders_total, f.orders_recognised, f.orders_lost, f.orders_open)
    is distinct from (d.orders_total, d.orders_recognised, d.orders_lost, d.orders_open)
    or (
        coalesce(f.currency_code, d.currency_code) <> 'XXX'
        and (f.gross_sales_amount, f.net_sales_amount, f.discount_amount, f.payment_amount, f.lost_payment_amount)
        is distinct from
        (d.gross_sales_amount, d.net_sales_amount, d.discount_amount, d.payment_amount, d.lost_payment_amount)
    )

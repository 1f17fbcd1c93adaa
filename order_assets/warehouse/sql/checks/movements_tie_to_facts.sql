-- Over all dates, what was recognised less what was reversed is what is recognised now.
with followed as (
    select 1
    from ops.touched_months as t
    left join ops.summarised_months as s
        on s.order_month = t.order_month and s.table_name = 'revenue_movements_daily'
    having bool_and(s.change_number = t.change_number and s.change_number is not null)
),

movements as (
    select
        source_system, store_key, currency_code,
        sum(recognitions - reversals) as orders,
        sum(recognised_net_sales_amount - reversed_net_sales_amount) as net_sales,
        sum(recognised_payment_amount - reversed_payment_amount) as payment,
        sum(net_sales_amount) as published_net_sales,
        sum(payment_amount) as published_payment
    from marts.revenue_movements_daily
    group by source_system, store_key, currency_code
),

facts as (
    select
        source_system, store_key, currency_code, count(*) as orders, sum(net_sales_amount) as net_sales,
        sum(payment_amount) as payment
    from marts.order_facts
    where revenue_class = 'recognised'
    group by source_system, store_key, currency_code
)

select concat_ws(' ', source_system, store_key, currency_code) as order_key
from facts as f
full outer join movements as m using (source_system, store_key, currency_code)
where
    exists (select 1 from followed)
    and (
        coalesce(f.orders, 0), coalesce(f.net_sales, 0), coalesce(f.payment, 0), coalesce(f.net_sales, 0),
        coalesce(f.payment, 0)
    )
    is distinct from (
        coalesce(m.orders, 0), coalesce(m.net_sales, 0), coalesce(m.payment, 0), coalesce(m.published_net_sales, 0),
        coalesce(m.published_payment, 0)
    )

-- Per source and currency, what all customers bought is what was sold. A summary that has not followed is left out.
with followed as (
    select 1
    from ops.summarised_tables as s
    where
        s.table_name = 'customer_summary'
        and s.change_number >= (select max(t.change_number) from ops.touched_months as t)
),

customers as (
    select
        source_system, currency_code, sum(orders_recognised) as orders, sum(lifetime_net_sales) as net_sales,
        sum(lifetime_payment) as payment, sum(lifetime_discount) as discount
    from marts.customer_summary
    group by source_system, currency_code
),

facts as (
    select
        source_system, currency_code,
        count(*) filter (where revenue_class = 'recognised') as orders,
        coalesce(sum(net_sales_amount) filter (where revenue_class = 'recognised'), 0) as net_sales,
        coalesce(sum(payment_amount) filter (where revenue_class = 'recognised'), 0) as payment,
        coalesce(sum(discount_amount) filter (where revenue_class = 'recognised'), 0) as discount
    from marts.order_facts
    where revenue_class in ('recognised', 'open', 'lost')
    group by source_system, currency_code
)

select source_system || ' ' || currency_code as order_key
from facts as f
full outer join customers as c using (source_system, currency_code)
where
    exists (select 1 from followed)
    and (f.orders, f.net_sales, f.payment, f.discount) is distinct from (c.orders, c.net_sales, c.payment, c.discount)

-- By how much did net sales grow against the month before, per currency?
-- Amounts are added over stores, never over currencies; growth is NULL where the month before had no sales.
with months as (
    select
        order_month,
        currency,
        sum(net_sales) as net_sales
    from reporting.revenue_by_month
    where currency <> 'XXX'
    group by order_month, currency
)

select
    m.currency,
    m.order_month,
    m.net_sales,
    b.net_sales as month_before,
    m.net_sales - b.net_sales as difference,
    round((m.net_sales - b.net_sales) / nullif(b.net_sales, 0), 4) as growth
from months as m
left join months as b
    on b.currency = m.currency and b.order_month = (m.order_month - interval '1 month')::date
order by m.currency, m.order_month;

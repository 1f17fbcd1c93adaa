-- Do the published days add up to the orders? One row per currency; every difference must be 0.0000.
select
    currency,
    sum(published) as published,
    sum(from_orders) as from_orders,
    sum(published) - sum(from_orders) as difference
from (
    select
        currency,
        net_sales as published,
        0 as from_orders
    from reporting.revenue_by_day
    where currency <> 'XXX'
    union all
    select
        currency,
        0 as published,
        net_sales as from_orders
    from reporting.orders
    where revenue_class = 'recognised'
) as both_sides
group by currency
order by currency;

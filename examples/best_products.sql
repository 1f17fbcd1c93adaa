-- Which products earn most, what is given away on them, and how many come back?
select
    currency,
    max(product_name) as product,
    sum(units) as units,
    sum(gross) as gross,
    sum(discount) as discount,
    sum(net_sales) as net_sales,
    round(sum(units_returned)::numeric / nullif(sum(units) + sum(units_returned), 0), 4) as unit_return_rate
from reporting.products_by_month
group by currency, product_key
order by currency, net_sales desc
limit 50;

-- How much did each store sell per month, and how much did it give away?
-- Revenue is that of recognised orders; currencies are never added.
select
    order_month,
    store,
    currency,
    orders_recognised as orders,
    gross_sales,
    sales_discount,
    net_sales,
    sales_discount_rate,
    average_order_value
from reporting.revenue_by_month
where currency <> 'XXX'
order by currency, store, order_month;

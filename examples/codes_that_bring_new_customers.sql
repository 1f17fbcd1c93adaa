-- Which discount codes bring new customers, and what does each new one cost?
select
    source_account,
    currency,
    discount_code,
    orders_recognised as orders,
    new_customer_orders,
    round(new_customer_orders::numeric / nullif(orders_recognised, 0), 4) as share_new,
    discount,
    round(discount / nullif(new_customer_orders, 0), 2) as discount_per_new_customer,
    net_sales,
    redemption_lost_rate
from reporting.discount_codes
order by currency, new_customer_orders desc, discount_code;

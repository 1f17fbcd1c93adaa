-- Which kinds of discount cost how much of the goods' price, per month?
-- The unique code only makes a bank transfer recognisable, so it is left out.
select
    order_month,
    currency,
    discount_kind,
    sum(orders_recognised) as orders,
    sum(discount) as discount,
    sum(basis) as basis,
    round(sum(discount) / nullif(sum(basis), 0), 4) as discount_rate
from reporting.discounts_by_month
where discount_kind <> 'unique_code'
group by order_month, currency, discount_kind
order by currency, order_month, discount desc;

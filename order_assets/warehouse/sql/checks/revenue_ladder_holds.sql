-- net sales + net shipping + other income + residual = payment, to the last digit.
select order_key
from marts.order_facts
where
    is_money_reportable
    and net_sales_amount + coalesce(net_shipping_amount, 0) + coalesce(other_income_amount, 0) + residual_amount
    is distinct from payment_amount

-- Money is present exactly where it is reportable.
select order_key
from marts.order_facts
where
    is_money_reportable <> (net_sales_amount is not null)
    or is_money_reportable <> (payment_amount is not null)

-- original - discount + residual = payment, to the last digit.
select order_key
from marts.order_facts
where is_money_reportable and original_amount - discount_amount + residual_amount is distinct from payment_amount

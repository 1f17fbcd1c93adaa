-- What is not explained is a small part of the order.
select order_key
from marts.order_facts
where abs(residual_amount) * 100 > abs(original_amount) * cast(:residual_large_share_percent as numeric)

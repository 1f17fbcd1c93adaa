-- A discount code takes something off, and what a code takes off has a code.
select order_key
from marts.order_facts
where anomaly_codes && array['code_without_amount', 'amount_without_code']

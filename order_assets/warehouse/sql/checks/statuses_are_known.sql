-- Order and payment statuses are documented ones.
select order_key
from marts.order_facts
where anomaly_codes && array['unknown_status', 'unknown_payment_status']

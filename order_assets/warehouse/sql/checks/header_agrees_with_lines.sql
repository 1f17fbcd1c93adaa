-- The lines of an order add up to what its header says: price, discount, code, quantity (bundles may differ).
select order_key
from marts.order_facts
where
    anomaly_codes
    && array['line_sum_mismatch', 'line_discount_mismatch', 'line_code_mismatch', 'quantity_mismatch']

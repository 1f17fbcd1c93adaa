-- What the facts said before this load, for the groups that a change leaves and for the statuses that it sees change.
create temporary table prior_versions on commit drop as
select
    f.order_key, f.order_date, f.store_key, f.source_system, f.currency_code, f.customer_key, f.anomaly_codes,
    f.source_status, f.source_payment_status, f.source_shipment_status, f.source_updated_at
from marts.order_facts as f
inner join accepted_orders as a on a.order_key = f.order_key

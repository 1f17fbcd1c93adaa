-- What the facts said before this load, for the groups that a change leaves.
create temporary table prior_versions on commit drop as
select f.order_key, f.order_date, f.source_system, f.currency_code, f.customer_key, f.anomaly_codes
from marts.order_facts as f
inner join accepted_orders as a on a.order_key = f.order_key

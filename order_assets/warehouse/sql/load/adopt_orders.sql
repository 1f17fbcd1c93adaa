-- Orders that named no customer belong to their account's customer as soon as another order names one. Their former
-- customer goes into prior_versions, so that both customers' sequences and months are brought up to date.
create temporary table adopted_orders on commit drop as
select f.order_key, a.customer_key
from marts.order_facts as f
inner join ops.order_lineage as l on l.order_key = f.order_key
inner join ops.accounts as a on a.source_system = l.source_system and a.partition_key = l.partition_key
where f.anomaly_codes @> array['customer_missing'] and f.customer_key <> a.customer_key

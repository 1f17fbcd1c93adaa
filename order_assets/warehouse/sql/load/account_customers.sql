-- Remember whose account it is, for later orders of it that do not say.
update ops.accounts as t
set customer_key = n.customer_key
from (
    select distinct on (a.source_system, a.partition_key) a.source_system, a.partition_key, a.customer_key
    from accepted_orders as a
    where not a.anomaly_codes @> array['customer_missing']
    order by a.source_system, a.partition_key, a.ordered_at, a.order_key
) as n
where
    t.source_system = n.source_system and t.partition_key = n.partition_key
    and t.customer_key is null

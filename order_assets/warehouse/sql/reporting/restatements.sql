-- Each change of a published sum, with the store's name. Amounts keep numeric(20,4).
select
    r.restatement_id,
    r.detected_at,
    r.period as order_month,
    r.source_system as source,
    r.store_key,
    coalesce(s.display_name, r.store_key) as store,
    r.currency_code as currency,
    r.metric,
    r.old_value,
    r.new_value,
    (r.new_value - r.old_value)::numeric(20, 4) as difference,
    r.order_count as orders
from ops.restatements as r
left join marts.dim_store as s on s.store_key = r.store_key

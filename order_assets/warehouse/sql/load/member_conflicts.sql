-- Flag KTSP orders that this load, or an earlier one, saw under another member than the one they belong to.
with conflicts as (
    select s.order_key
    from stage_orders as s
    inner join marts.order_facts as f on f.order_key = s.order_key
    where s.source_system = 'ktsp' and s.customer_key <> f.customer_key
    union
    select p.order_key
    from prior_versions as p
    where p.source_system = 'ktsp' and p.anomaly_codes @> array['member_conflict']
)

update marts.order_facts as f
set anomaly_codes = (
    select array_agg(distinct code order by code)
    from unnest(f.anomaly_codes || array['member_conflict']) as code
)
from conflicts as c
where c.order_key = f.order_key and not f.anomaly_codes @> array['member_conflict']

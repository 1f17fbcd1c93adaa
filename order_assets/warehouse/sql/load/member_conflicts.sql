-- Flag KTSP orders that this load, or an earlier one, saw under another member than the one they belong to.
update marts.order_facts as f
set anomaly_codes = (
    select array_agg(distinct code order by code)
    from unnest(f.anomaly_codes || array['member_conflict']) as code
)
where
    f.source_system = 'ktsp'
    and not f.anomaly_codes @> array['member_conflict']
    and (
        exists (select 1 from stage_orders as s where s.order_key = f.order_key and s.customer_key <> f.customer_key)
        or exists (
            select 1 from prior_versions as p
            where p.order_key = f.order_key and p.anomaly_codes @> array['member_conflict']
        )
    )

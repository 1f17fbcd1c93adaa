-- Every time the source sent was readable and possible.
select f.order_key
from marts.order_facts as f
where exists (select 1 from unnest(f.anomaly_codes) as a (code) where a.code like 'bad\_timestamp:%')

-- Orders of the staged pages that are not in the facts after the merge: there must be none.
select count(distinct s.order_key)
from stage_orders as s
where not exists (select 1 from marts.order_facts as f where f.order_key = s.order_key)

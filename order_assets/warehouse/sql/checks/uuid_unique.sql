-- The source's second id names one order of its account.
select min(order_key) as order_key
from marts.order_facts
where source_order_uuid is not null
group by source_system, source_account, source_order_uuid
having count(*) > 1

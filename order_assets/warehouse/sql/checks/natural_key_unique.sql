-- One fact per source order.
select min(order_key) as order_key
from marts.order_facts
group by source_system, source_account, source_order_id
having count(*) > 1

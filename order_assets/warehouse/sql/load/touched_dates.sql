-- Days and stores of the old and the new version of each changed order.
insert into touched_dates (order_date, store_key)
select p.order_date, p.store_key
from prior_versions as p
inner join changed_orders as c on c.order_key = p.order_key
union
select f.order_date, f.store_key
from marts.order_facts as f
inner join changed_orders as c on c.order_key = f.order_key

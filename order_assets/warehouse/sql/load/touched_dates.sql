-- Days of the old and the new version of each changed order.
insert into touched_dates (order_date)
select p.order_date
from prior_versions as p
inner join changed_orders as c on c.order_key = p.order_key
union
select f.order_date
from marts.order_facts as f
inner join changed_orders as c on c.order_key = f.order_key

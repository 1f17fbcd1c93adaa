-- Mark months whose facts were removed.
insert into ops.touched_months (order_month, change_number, touched_at, whole_change_number)
select m.order_month, n.change_number, now(), n.change_number
from unnest(cast(:months as date [])) as m (order_month)
cross join (select nextval('ops.change_numbers') as change_number) as n
on conflict (order_month) do update set
    change_number = excluded.change_number, touched_at = excluded.touched_at,
    whole_change_number = excluded.whole_change_number

-- Mark every month that had orders before the replay or has some now.
insert into ops.touched_months (order_month, change_number, touched_at, whole_change_number)
select m.order_month, n.change_number, now(), n.change_number
from (
    select date_trunc('month', order_date)::date as order_month from replay_order_facts
    union
    select date_trunc('month', order_date)::date from marts.order_facts
) as m
cross join (select nextval('ops.change_numbers') as change_number) as n
on conflict (order_month) do update set
    change_number = excluded.change_number, touched_at = excluded.touched_at,
    whole_change_number = excluded.whole_change_number

-- Mark the months of the touched days, so that their summaries are recomputed: the days alone, or all of a month that no
-- summary has followed yet, whose days nobody lists. Before touch_days: a summary that follows meanwhile costs a list.
insert into ops.touched_months (order_month, change_number, touched_at, whole_change_number)
select
    m.order_month, n.change_number, now(),
    case
        when exists (select 1 from ops.summarised_months as s where s.order_month = m.order_month) then 0
        else n.change_number
    end
from (select distinct date_trunc('month', order_date)::date as order_month from touched_dates) as m
cross join (select cast(:change_number as bigint) as change_number) as n
on conflict (order_month) do update set
    change_number = excluded.change_number, touched_at = excluded.touched_at,
    whole_change_number = greatest(ops.touched_months.whole_change_number, excluded.whole_change_number)
returning order_month

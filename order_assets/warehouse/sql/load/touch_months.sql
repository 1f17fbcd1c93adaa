-- Mark the months of the touched days, so that their summaries are recomputed.
insert into ops.touched_months (order_month, change_number, touched_at)
select distinct date_trunc('month', order_date)::date, cast(:change_number as bigint), now()
from touched_dates
on conflict (order_month) do update set
    change_number = excluded.change_number, touched_at = excluded.touched_at
returning order_month

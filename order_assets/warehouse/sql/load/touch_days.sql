-- List the touched days of months that a summary has followed.
insert into ops.touched_days (order_date, store_key, change_number)
select distinct d.order_date, d.store_key, cast(:change_number as bigint)
from touched_dates as d
where exists (
    select 1 from ops.summarised_months as s where s.order_month = date_trunc('month', d.order_date)::date
)
on conflict (order_date, store_key) do update set change_number = excluded.change_number

-- Groups of a summary, by period and store, whose facts changed since it followed them last: those of listed days, and all
-- of months whose changed days are not listed. The names in braces are the summary, its period, and how a date becomes it.
create temporary table stale_groups on commit drop as
with stale as (
    select
        t.order_month,
        s.change_number,
        s.change_number is null or s.change_number < t.whole_change_number
        or not exists (
            select 1 from ops.touched_days as d
            where
                d.order_date >= t.order_month and d.order_date < t.order_month + interval '1 month'
                and d.change_number = t.change_number
        ) as is_whole
    from ops.touched_months as t
    left join ops.summarised_months as s on s.order_month = t.order_month and s.table_name = '{table}'
    where
        t.order_month >= cast(:first as date) and t.order_month < cast(:after as date)
        and t.change_number > coalesce(s.change_number, -1)
)

select {from_date} as period, d.store_key
from ops.touched_days as d
inner join stale as m on m.order_month = date_trunc('month', d.order_date)::date
where not m.is_whole and d.change_number > m.change_number
union
select {from_date}, d.store_key
from marts.order_facts as d
where (date_trunc('month', d.order_date)::date in (select m.order_month from stale as m where m.is_whole)) is true
union
select g.{period}, g.store_key
from marts.{table} as g
where (date_trunc('month', g.{period})::date in (select m.order_month from stale as m where m.is_whole)) is true

-- A month is the sum of its days, in everything that may be added. Months that have not followed the facts are left
-- out. The names in braces are filled in from the registry of metrics. "Is true" keeps the months a table that is
-- looked up: joined, each day would be compared with each of them.
with followed as (
    select t.order_month
    from ops.touched_months as t
    inner join ops.summarised_months as s
        on s.order_month = t.order_month and s.change_number = t.change_number
        and s.table_name in ('{daily}', '{monthly}')
    group by t.order_month
    having count(*) = 2
),

days as (
    select date_trunc('month', d.order_date)::date as order_month, {keys}, {sums}
    from marts.{daily} as d
    where (date_trunc('month', d.order_date)::date in (select order_month from followed)) is true
    group by date_trunc('month', d.order_date), {keys}
),

months as (
    select m.order_month, {keys}, {columns}
    from marts.{monthly} as m
    where m.order_month in (select order_month from followed)
)

select concat_ws(' ', order_month, {keys}) as order_key
from days as d
full outer join months as m using (order_month, {keys})
where ({days}) is distinct from ({months})

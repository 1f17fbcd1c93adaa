-- Every customer with a recognised order is in one cohort, and all of a cohort bought in its first month.
with followed as (
    select 1
    from ops.summarised_tables as s
    where
        s.table_name in ('customer_summary', 'customer_cohort_monthly')
        and s.change_number >= (select max(t.change_number) from ops.touched_months as t)
    having count(*) = 2
),

customers as (
    select source_system, currency_code, cohort_month, count(*)::int as size
    from marts.customer_summary
    where orders_recognised >= 1
    group by source_system, currency_code, cohort_month
),

cohorts as (
    select
        source_system, currency_code, cohort_month,
        min(cohort_size) as smallest,
        max(cohort_size) as largest,
        max(active_customers) filter (where month_number = 0) as active
    from marts.customer_cohort_monthly
    group by source_system, currency_code, cohort_month
)

select concat_ws(' ', source_system, currency_code, cohort_month) as order_key
from customers as c
full outer join cohorts as h using (source_system, currency_code, cohort_month)
where
    exists (select 1 from followed)
    and (c.size, c.size, c.size) is distinct from (h.smallest, h.largest, h.active)

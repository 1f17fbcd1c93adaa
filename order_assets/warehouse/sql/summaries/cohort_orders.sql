-- Recognised orders of each cohort by months since its first; a month without orders is one row without an order.
-- Months run to the as_of month, or to the last order if one is dated later: no sum may lose an order.
with recognised as (
    select
        source_system, currency_code, customer_key, order_key, net_sales_amount,
        (extract(year from order_date) * 12 + extract(month from order_date))::int as month_count,
        min(date_trunc('month', order_date)::date) over customer as cohort_month
    from marts.order_facts
    where revenue_class = 'recognised'
    window customer as (partition by source_system, currency_code, customer_key)
),

numbered as (
    select
        *, month_count - (extract(year from cohort_month) * 12 + extract(month from cohort_month))::int as month_number
    from recognised
),

cohorts as (
    select
        source_system, currency_code, cohort_month,
        count(distinct customer_key) as cohort_size,
        max(month_number) as last_number
    from numbered
    group by source_system, currency_code, cohort_month
),

months as (
    select k.source_system, k.currency_code, k.cohort_month, k.cohort_size, n.month_number
    from cohorts as k
    cross join lateral generate_series(
        0,
        greatest(
            k.last_number,
            (
                (extract(year from cast(:as_of as date)) - extract(year from k.cohort_month)) * 12
                + extract(month from cast(:as_of as date)) - extract(month from k.cohort_month)
            )::int
        )
    ) as n (month_number)
)

select
    m.source_system, m.currency_code, m.cohort_month, m.month_number, m.cohort_size,
    o.customer_key, o.order_key, o.net_sales_amount
from months as m
left join numbered as o
    on o.source_system = m.source_system and o.currency_code = m.currency_code
    and o.cohort_month = m.cohort_month and o.month_number = m.month_number

-- Every day from the store's first order to the date of the last run, for each of its currencies.
select
    c.day::date as order_date,
    f.source_system,
    f.store_key,
    f.currency_code,
    {measures}
from (
    select
        source_system, store_key, currency_code,
        min(min(order_date)) over (partition by source_system, store_key) as first_date
    from marts.revenue_daily
    group by source_system, store_key, currency_code
) as f
cross join ops.as_of as a
cross join lateral generate_series(f.first_date::timestamp, a.as_of_date::timestamp, interval '1 day') as c (day)
left join marts.revenue_daily as r
    on r.order_date = c.day::date and r.source_system = f.source_system
    and r.store_key = f.store_key and r.currency_code = f.currency_code

-- The last whole day that a store's or programme's crawls cover has about as many orders as a usual one: the median
-- of the 28 days before, if that is enough orders to say so.
with covered as (
    select
        a.source_system, a.source_account,
        (max(c.started_at) at time zone a.time_zone)::date - 1 as last_day
    from ops.accounts as a
    inner join ops.crawls as c on c.source_system = a.source_system and c.partition_key = a.partition_key
    where c.status = 'complete' and c.loaded_at is not null
    group by a.source_system, a.source_account, a.time_zone
),

-- By the index on the date: the last month of a history, however long that is.
recent as materialized (
    select f.order_key, f.source_system, f.source_account, f.order_date
    from marts.order_facts as f
    where
        f.order_date >= (select min(k.last_day) - 28 from covered as k)
        and f.order_date <= (select max(k.last_day) from covered as k)
),

days as (
    select k.source_system, k.source_account, k.last_day, g.day::date as day, count(f.order_key) as orders
    from covered as k
    cross join lateral generate_series(k.last_day::timestamp - interval '28 days', k.last_day, '1 day') as g (day)
    left join recent as f
        on f.source_system = k.source_system and f.source_account = k.source_account and f.order_date = g.day::date
    group by k.source_system, k.source_account, k.last_day, g.day
),

usual as (
    select
        source_system, source_account, last_day,
        max(orders) filter (where day = last_day) as orders,
        percentile_cont(0.5) within group (order by orders) filter (where day < last_day) as median
    from days
    group by source_system, source_account, last_day
)

select concat_ws(' ', source_system, source_account, last_day) as order_key
from usual
where
    median >= cast(:volume_least_orders as float)
    and orders * 100 not between
    median * cast(:volume_low_percent as float) and median * cast(:volume_high_percent as float)

-- Published months whose sums this load changes, one row per sum and crawl. Parts of orders, before and after, are
-- compared; the sums are those of the facts now, less what came later. Sums are over recognised orders.
with parts as (
    select
        b.order_key, date_trunc('month', b.order_date)::date as period, b.source_system, b.store_key, b.currency_code,
        -b.net_sales_amount as net_sales_amount, -b.payment_amount as payment_amount,
        -b.discount_amount as discount_amount, -1 as orders_recognised
    from restated_before as b
    where b.revenue_class = 'recognised'
    union all
    select
        f.order_key, date_trunc('month', f.order_date)::date, f.source_system, f.store_key, f.currency_code,
        f.net_sales_amount, f.payment_amount, f.discount_amount, 1
    from marts.order_facts as f
    where
        f.revenue_class = 'recognised'
        and exists (select 1 from marts.revenue_daily)
        and f.order_key in (
            select order_key from restated_before
            union
            select order_key from changed_orders where is_new
        )
),

per_order as (
    select p.period, p.source_system, p.store_key, p.currency_code, p.order_key, m.metric, sum(m.part) as part
    from parts as p
    cross join lateral (
        values
            ('net_sales_amount', p.net_sales_amount),
            ('payment_amount', p.payment_amount),
            ('discount_amount', p.discount_amount),
            ('orders_recognised', p.orders_recognised)
    ) as m (metric, part)
    where exists (
        select 1 from marts.revenue_daily as r
        where r.order_date >= p.period and r.order_date < p.period + interval '1 month'
    )
    group by 1, 2, 3, 4, 5, 6
    having sum(m.part) <> 0
),

-- The crawl that brought the order, or no longer saw it; none in a replay.
per_crawl as (
    select
        p.period, p.source_system, p.store_key, p.currency_code, p.metric,
        case when not cast(:is_replay as bool) then l.crawl_id end as crawl_id,
        sum(p.part) as part, count(*) as order_count,
        (array_agg(p.order_key order by abs(p.part) desc, p.order_key))[1:20] as order_keys
    from per_order as p
    left join lateral (
        select max(k.crawl_id) as crawl_id
        from (
            select g.crawl_id from ops.order_lineage as g where g.order_key = p.order_key
            union all
            select v.crawl_id from ops.vanished_orders as v
            where v.order_key = p.order_key and v.crawl_id = any(cast(:crawl_ids as bigint []))
        ) as k
    ) as l on true
    group by 1, 2, 3, 4, 5, 6
    having sum(p.part) <> 0
),

-- Day by day, so that the index on day, store and currency finds the orders: few of a month are of the store.
now_published as (
    select
        g.period, g.source_system, g.store_key, g.currency_code,
        sum(t.net_sales_amount) as net_sales_amount, sum(t.payment_amount) as payment_amount,
        sum(t.discount_amount) as discount_amount, sum(t.orders_recognised) as orders_recognised
    from (select distinct period, source_system, store_key, currency_code from per_crawl) as g
    cross join generate_series(0, 30) as d (day_of_month)
    cross join lateral (
        select
            coalesce(sum(f.net_sales_amount), 0) as net_sales_amount,
            coalesce(sum(f.payment_amount), 0) as payment_amount,
            coalesce(sum(f.discount_amount), 0) as discount_amount,
            count(*) as orders_recognised
        from marts.order_facts as f
        where
            f.order_date = g.period + d.day_of_month and f.order_date < g.period + interval '1 month'
            and f.source_system = g.source_system and f.store_key = g.store_key
            and f.currency_code = g.currency_code and f.revenue_class = 'recognised'
    ) as t
    group by 1, 2, 3, 4
),

chained as (
    select
        c.*,
        case c.metric
            when 'net_sales_amount' then n.net_sales_amount
            when 'payment_amount' then n.payment_amount
            when 'discount_amount' then n.discount_amount
            else n.orders_recognised
        end - coalesce(
            sum(c.part) over (
                partition by c.period, c.source_system, c.store_key, c.currency_code, c.metric
                order by c.crawl_id desc rows between unbounded preceding and 1 preceding
            ),
            0
        ) as new_value
    from per_crawl as c
    inner join now_published as n
        on n.period = c.period and n.source_system = c.source_system and n.store_key = c.store_key
        and n.currency_code = c.currency_code
)

insert into ops.restatements
    (period, source_system, store_key, currency_code, metric, old_value, new_value, order_count, order_keys,
     detected_at, crawl_id)
select
    period, source_system, store_key, currency_code, metric, new_value - part, new_value, order_count, order_keys,
    now(), crawl_id
from chained
order by period, source_system, store_key, currency_code, crawl_id, metric

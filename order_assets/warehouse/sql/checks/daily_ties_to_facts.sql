-- Every day, store and currency of the daily summary equals the facts exactly, and no day of the facts is missing.
-- Months whose summary has not followed the latest load yet are left out: they are stale, not wrong.
-- "Is true" keeps the months a table that is looked up: joined, each order would be compared with each of them.
with followed as (
    select t.order_month
    from ops.touched_months as t
    inner join ops.summarised_months as s
        on s.order_month = t.order_month and s.table_name = 'revenue_daily' and s.change_number = t.change_number
),

facts as (
    select
        f.order_date, f.source_system, f.store_key, f.currency_code,
        array[
            count(*),
            count(*) filter (where f.revenue_class in ('recognised', 'open', 'lost')),
            count(*) filter (where f.revenue_class = 'recognised'),
            count(*) filter (where f.revenue_class = 'open'),
            count(*) filter (where f.revenue_class = 'lost'),
            case
                when f.source_system <> 'ktsp'
                    then count(*) filter (where f.revenue_class = 'lost' and f.lost_kind = 'canceled')
            end,
            case
                when f.source_system <> 'ktsp'
                    then count(*) filter (where f.revenue_class = 'lost' and f.lost_kind = 'rts')
            end,
            count(*) filter (where f.revenue_class = 'draft'),
            count(*) filter (where f.revenue_class = 'excluded'),
            count(*) filter (where f.revenue_class = 'recognised' and f.customer_order_seq = 1),
            count(*) filter (where f.revenue_class = 'recognised' and f.customer_order_seq > 1),
            count(*) filter (where f.revenue_class = 'recognised' and f.promo_discount_amount > 0)
        ] as counts,
        array[
            coalesce(sum(f.gross_sales_amount) filter (where f.revenue_class = 'recognised'), 0),
            coalesce(sum(f.sales_discount_amount) filter (where f.revenue_class = 'recognised'), 0),
            coalesce(sum(f.net_sales_amount) filter (where f.revenue_class = 'recognised'), 0),
            case
                when f.source_system <> 'ktsp'
                    then coalesce(sum(f.net_shipping_amount) filter (where f.revenue_class = 'recognised'), 0)
            end,
            case
                when f.source_system <> 'ktsp'
                    then coalesce(sum(f.other_income_amount) filter (where f.revenue_class = 'recognised'), 0)
            end,
            coalesce(sum(f.residual_amount) filter (where f.revenue_class = 'recognised'), 0),
            coalesce(sum(f.original_amount) filter (where f.revenue_class = 'recognised'), 0),
            coalesce(sum(f.discount_amount) filter (where f.revenue_class = 'recognised'), 0),
            coalesce(sum(f.payment_amount) filter (where f.revenue_class = 'recognised'), 0),
            coalesce(sum(f.payment_amount) filter (where f.revenue_class = 'open'), 0),
            coalesce(sum(f.payment_amount) filter (where f.revenue_class = 'lost'), 0)
        ] as amounts
    from marts.order_facts as f
    where (date_trunc('month', f.order_date)::date in (select order_month from followed)) is true
    group by f.order_date, f.source_system, f.store_key, f.currency_code
),

daily as (
    select
        d.order_date, d.source_system, d.store_key, d.currency_code,
        array[
            d.orders_total, d.orders_placed, d.orders_recognised, d.orders_open, d.orders_lost, d.orders_canceled,
            d.orders_rts, d.orders_draft, d.orders_excluded, d.orders_new, d.orders_returning,
            d.orders_promo_discounted
        ]::bigint [] as counts,
        array[
            d.gross_sales_amount, d.sales_discount_amount, d.net_sales_amount, d.net_shipping_amount,
            d.other_income_amount, d.residual_amount, d.original_amount, d.discount_amount, d.payment_amount,
            d.open_payment_amount, d.lost_payment_amount
        ] as amounts
    from marts.revenue_daily as d
    where (date_trunc('month', d.order_date)::date in (select order_month from followed)) is true
)

select
    coalesce(f.order_date, d.order_date)::text || ' ' || coalesce(f.store_key, d.store_key) || ' '
    || coalesce(f.currency_code, d.currency_code) as order_key
from facts as f
full outer join daily as d
    on d.order_date = f.order_date and d.source_system = f.source_system and d.store_key = f.store_key
    and d.currency_code = f.currency_code
where
    f.counts is distinct from d.counts
    or (coalesce(f.currency_code, d.currency_code) <> 'XXX' and f.amounts is distinct from d.amounts)

-- Per month, store and currency, what all products brought is the net sales of the orders with lines. Where the header
-- says nothing to compare with (mixed currencies, lines that do not add up to it), the lines speak for themselves.
-- "Is true" keeps the months a table that is looked up: joined, each order would be compared with each of them.
with followed as (
    select t.order_month
    from ops.touched_months as t
    inner join ops.summarised_months as s
        on s.order_month = t.order_month and s.table_name = 'product_monthly' and s.change_number = t.change_number
),

orders as (
    select
        date_trunc('month', f.order_date)::date as order_month, f.store_key, l.currency_code,
        case
            when f.is_money_reportable and f.currency_source <> 'mixed' and bool_and(l.line_basis <> 'unreconciled')
                then f.net_sales_amount
            else sum(l.line_net_sales_amount)
        end as net_sales
    from marts.order_facts as f
    inner join marts.order_line_facts as l on l.order_key = f.order_key
    where
        f.recognition_state = 'recognised' and not f.is_deleted_at_source and l.currency_code <> 'XXX'
        and (date_trunc('month', f.order_date)::date in (select order_month from followed)) is true
    group by f.order_key, l.currency_code
),

facts as (
    select order_month, store_key, currency_code, sum(net_sales) as net_sales
    from orders
    group by order_month, store_key, currency_code
),

products as (
    select p.order_month, p.store_key, p.currency_code, sum(p.net_sales_amount) as net_sales
    from marts.product_monthly as p
    inner join followed as w on w.order_month = p.order_month
    group by p.order_month, p.store_key, p.currency_code
)

select concat_ws(' ', order_month, store_key, currency_code) as order_key
from facts as f
full outer join products as p using (order_month, store_key, currency_code)
where coalesce(f.net_sales, 0) <> coalesce(p.net_sales, 0)

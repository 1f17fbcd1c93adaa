-- Joining an order to its dimensions neither repeats nor loses it.
with joined as (
    select f.currency_code, count(*) as orders, sum(f.payment_amount) as payment_amount
    from marts.order_facts as f
    inner join marts.dim_store as s on s.store_key = f.store_key
    inner join marts.dim_customer as c on c.customer_key = f.customer_key
    inner join marts.order_lifecycle as l on l.order_key = f.order_key
    group by f.currency_code
),

facts as (
    select currency_code, count(*) as orders, sum(payment_amount) as payment_amount
    from marts.order_facts
    group by currency_code
)

select currency_code::text as order_key
from facts
left join joined using (currency_code)
where (facts.orders, facts.payment_amount) is distinct from (joined.orders, joined.payment_amount)

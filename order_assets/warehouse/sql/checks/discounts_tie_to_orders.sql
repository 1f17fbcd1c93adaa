-- The kinds of discount of an order add up to its discount.
select f.order_key
from marts.order_facts as f
left join marts.discount_facts as d on d.order_key = f.order_key
group by f.order_key, f.discount_amount
having coalesce(sum(d.amount), 0) <> coalesce(f.discount_amount, 0)

-- Nothing is discounted by more than it costs.
select f.order_key
from marts.order_facts as f
where
    f.discount_amount > f.original_amount
    or f.sales_discount_amount > f.gross_sales_amount
    or f.shipping_discount_amount > f.shipping_charged_amount
union
select d.order_key from marts.discount_facts as d where d.amount > d.basis_amount

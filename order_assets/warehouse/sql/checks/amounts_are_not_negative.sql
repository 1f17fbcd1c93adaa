-- No amount of an order is negative, and no line has a quantity of nothing.
select f.order_key
from marts.order_facts as f
where
    least(
        f.gross_sales_amount, f.original_amount, f.discount_amount, f.payment_amount, f.src_product_price,
        f.src_product_discount, f.src_discount_code_discount, f.src_unique_code_discount, f.src_shipping_cost,
        f.src_shipping_discount, f.src_other_income, f.src_gross_revenue
    ) < 0
union
select l.order_key from marts.order_line_facts as l where l.quantity <= 0

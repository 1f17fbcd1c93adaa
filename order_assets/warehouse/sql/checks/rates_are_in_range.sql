-- Rates are fractions. A discount of more than its basis, or a negative amount, explains a rate beyond them; other
-- checks find it. The names in braces are filled in from the registry of metrics.
with odd as (
    select
        f.order_date, date_trunc('month', f.order_date)::date as order_month, f.source_system, f.source_account,
        f.store_key, f.currency_code
    from marts.order_facts as f
    where
        f.discount_amount > f.original_amount
        or f.sales_discount_amount > f.gross_sales_amount
        or least(
            f.gross_sales_amount, f.original_amount, f.discount_amount, f.src_product_discount,
            f.src_discount_code_discount, f.src_unique_code_discount, f.src_shipping_cost, f.src_shipping_discount
        ) < 0
        or f.order_key in (select d.order_key from marts.discount_facts as d where d.amount not between 0 and d.basis_amount)
        or f.order_key in (select l.order_key from marts.order_line_facts as l where l.quantity < 0)
)

select concat_ws(' ', {keys}) as order_key
from marts.{table} as t
where
    least({strict}) < 0
    or greatest({strict}) > 1
    or (
        (least({lenient}) < 0 or greatest({lenient}) > 1)
        and not exists (select 1 from odd as o where {same})
    )

-- The source's amounts have no more places than the currency has (ISO 4217, list one).
select f.order_key
from marts.order_facts as f
cross join lateral (
    values
    (f.gross_sales_amount), (f.payment_amount), (f.original_amount), (f.discount_amount), (f.src_product_price),
    (f.src_product_discount), (f.src_discount_code_discount), (f.src_unique_code_discount), (f.src_shipping_cost),
    (f.src_shipping_discount), (f.src_other_income), (f.src_gross_revenue)
) as a (amount)
where f.is_money_reportable
group by f.order_key
having
    max(scale(trim_scale(a.amount)))
    > case
        when f.currency_code in (
            'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF',
            'XOF', 'XPF'
        ) then 0
        when f.currency_code in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
        when f.currency_code in ('CLF', 'UYW') then 4
        else 2
    end

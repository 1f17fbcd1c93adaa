-- The source's amounts have no more places than the currency has (ISO 4217, list one).
select f.order_key
from marts.order_facts as f
where
    f.is_money_reportable
    and greatest(
        scale(trim_scale(f.gross_sales_amount)), scale(trim_scale(f.payment_amount)),
        scale(trim_scale(f.original_amount)), scale(trim_scale(f.discount_amount)),
        scale(trim_scale(f.src_product_price)), scale(trim_scale(f.src_product_discount)),
        scale(trim_scale(f.src_discount_code_discount)), scale(trim_scale(f.src_unique_code_discount)),
        scale(trim_scale(f.src_shipping_cost)), scale(trim_scale(f.src_shipping_discount)),
        scale(trim_scale(f.src_other_income)), scale(trim_scale(f.src_gross_revenue))
    )
    > case
        when f.currency_code in (
            'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF',
            'XOF', 'XPF'
        ) then 0
        when f.currency_code in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
        when f.currency_code in ('CLF', 'UYW') then 4
        else 2
    end

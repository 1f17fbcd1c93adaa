-- Money is numeric(20,4) everywhere; another type would round it silently.
select c.table_name || '.' || c.column_name as order_key
from information_schema.columns as c
inner join information_schema.tables as t
    on t.table_schema = c.table_schema and t.table_name = c.table_name and t.table_type = 'BASE TABLE'
where
    c.table_schema = 'marts'
    and (
        c.column_name ~ '(_amount|_amount_lost|_sales)$' or c.column_name ~ '^(aov|ltv)_'
        or (c.column_name ~ '^src_' and c.column_name not in ('src_discount_rate', 'src_total_quantity'))
    )
    and (c.data_type, c.numeric_precision, c.numeric_scale) is distinct from ('numeric', 20, 4)

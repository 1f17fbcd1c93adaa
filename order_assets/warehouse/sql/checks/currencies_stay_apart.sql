-- Every summary with money has the currency in its key, and no discount is in another currency than its order.
select c.table_name || ' has no currency in its key' as order_key
from information_schema.tables as c
where
    c.table_schema = 'marts' and c.table_type = 'BASE TABLE'
    and c.table_name not in ('order_facts', 'order_line_facts', 'discount_facts')
    and exists (
        select 1
        from information_schema.columns as m
        where
            m.table_schema = 'marts' and m.table_name = c.table_name
            and m.numeric_precision = 20 and m.numeric_scale = 4
    )
    and not exists (
        select 1
        from information_schema.table_constraints as p
        inner join information_schema.key_column_usage as k
            on k.constraint_schema = p.constraint_schema and k.constraint_name = p.constraint_name
            and k.table_name = p.table_name
        where
            p.table_schema = 'marts' and p.table_name = c.table_name and p.constraint_type = 'PRIMARY KEY'
            and k.column_name = 'currency_code'
    )
union all
select d.order_key
from marts.discount_facts as d
inner join marts.order_facts as f on f.order_key = d.order_key
where d.currency_code <> f.currency_code
group by d.order_key

-- Columns of text in Dagster's tables whose rows have a number.
select c.table_name, c.column_name
from information_schema.columns as c
inner join information_schema.columns as n
    on n.table_schema = c.table_schema and n.table_name = c.table_name and n.column_name = 'id'
where c.table_schema = :schema and c.data_type = 'text'
order by c.table_name, c.column_name

-- The server knows every zone in which dates are taken.
select z.name as order_key
from (
    select store_time_zone as name from marts.order_facts
    union
    select time_zone from marts.dim_store
) as z
where not exists (select 1 from pg_timezone_names as n where n.name = z.name)

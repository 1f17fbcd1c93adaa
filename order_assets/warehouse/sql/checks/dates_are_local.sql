-- Business dates are those of the store's zone. A zone the server does not know is another check's finding.
with zones as materialized (
    select z.name
    from pg_timezone_names as z
    where z.name in (select distinct store_time_zone from marts.order_facts)
)

select f.order_key
from marts.order_facts as f
inner join zones as z on z.name = f.store_time_zone
where
    f.order_date <> (f.ordered_at at time zone z.name)::date
    or f.recognised_date is distinct from (f.recognised_at at time zone z.name)::date
    or f.lost_date is distinct from (f.lost_at at time zone z.name)::date

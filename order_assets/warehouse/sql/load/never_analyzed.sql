-- Tables with rows that the planner knows nothing about; names are quoted where they need it.
-- Empty ones wait for rows: statistics of no rows would be worse than none.
select c.oid::regclass::text
from pg_class as c
where
    c.relnamespace in ('marts'::regnamespace, 'ops'::regnamespace) and c.relkind = 'r' and c.reltuples < 0
    and pg_relation_size(c.oid) > 0
order by 1

-- Customers are known by their pseudonym alone, so there is nothing to update.
insert into marts.dim_customer (customer_key, source_system, source_account, first_seen_at, last_seen_at)
select distinct on (customer_key) customer_key, source_system, source_account, fetched_at, fetched_at
from stage_customers
order by customer_key, fetched_at
on conflict (customer_key) do nothing

-- Versions that are older than what the facts already hold; they are ignored.
select count(*)
from accepted_orders as a
inner join marts.order_facts as f on f.order_key = a.order_key
where a.source_updated_at < f.source_updated_at

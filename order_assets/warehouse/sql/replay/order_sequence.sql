-- Rank every customer's recognised orders; only rows whose rank differs are written.
with ranked as (
    select
        order_key,
        case
            when revenue_class = 'recognised'
                then row_number() over (
                    partition by source_system, currency_code, customer_key, revenue_class
                    order by ordered_at, source_order_id
                )
        end as seq
    from marts.order_facts
)

update marts.order_facts as f
set customer_order_seq = r.seq
from ranked as r
where r.order_key = f.order_key and f.customer_order_seq is distinct from r.seq

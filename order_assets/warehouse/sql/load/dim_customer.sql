-- What the source last said about a person; who does not say keeps what we know. Only rows that differ are written.
insert into marts.dim_customer as d
    (customer_key, source_system, source_account, source_status, customer_created_at, email_hmac, phone_hmac,
     first_seen_at, last_seen_at)
select
    customer_key, min(source_system), min(source_account),
    (array_agg(source_status order by fetched_at desc) filter (where source_status is not null))[1],
    (array_agg(customer_created_at order by fetched_at desc) filter (where customer_created_at is not null))[1],
    (array_agg(email_hmac order by fetched_at desc) filter (where email_hmac is not null))[1],
    (array_agg(phone_hmac order by fetched_at desc) filter (where phone_hmac is not null))[1],
    min(fetched_at), max(fetched_at)
from stage_customers
group by customer_key
on conflict (customer_key) do update set
    source_status = coalesce(excluded.source_status, d.source_status),
    customer_created_at = coalesce(excluded.customer_created_at, d.customer_created_at),
    email_hmac = coalesce(excluded.email_hmac, d.email_hmac),
    phone_hmac = coalesce(excluded.phone_hmac, d.phone_hmac),
    last_seen_at = excluded.last_seen_at
where
    excluded.last_seen_at >= d.last_seen_at
    and (
        (excluded.source_status is not null and excluded.source_status is distinct from d.source_status)
        or (
            excluded.customer_created_at is not null
            and excluded.customer_created_at is distinct from d.customer_created_at
        )
        or (excluded.email_hmac is not null and excluded.email_hmac is distinct from d.email_hmac)
        or (excluded.phone_hmac is not null and excluded.phone_hmac is distinct from d.phone_hmac)
    )

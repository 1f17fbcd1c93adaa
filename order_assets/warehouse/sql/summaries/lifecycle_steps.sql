-- Each order's steps: how long they took, NULL if a time is missing, and whether the order's state implies their end.
-- Orders whose money cannot be trusted have statuses all the same; KTSP reports none.
select f.order_date, f.store_key, t.step, coalesce(f.is_cod, false) as is_cod, t.is_implied,
    extract(epoch from t.ended_at - t.started_at) as seconds
from marts.order_facts as f
left join marts.order_lifecycle as l on l.order_key = f.order_key
cross join lateral (
    values
    ('pending_to_paid', l.pending_at, l.paid_at, f.payment_state in ('paid', 'settled')),
    (
        'paid_to_shipped', l.paid_at, l.shipped_at,
        -- Digital goods are completed without being shipped.
        f.order_state in ('shipped', 'returned') or (f.order_state = 'completed' and coalesce(f.is_physical, false))
    ),
    ('shipped_to_completed', l.shipped_at, l.completed_at, f.order_state = 'completed'),
    ('shipped_to_rts', l.shipped_at, l.rts_at, f.order_state = 'returned'),
    ('ordered_to_paid', f.ordered_at, l.paid_at, f.payment_state in ('paid', 'settled')),
    ('ordered_to_completed', f.ordered_at, l.completed_at, f.order_state = 'completed')
) as t (step, started_at, ended_at, is_implied)
where f.source_system <> 'ktsp' and not f.is_deleted_at_source

-- An order reaches its statuses one after the other, so no duration is negative. Payment on delivery comes last.
select l.order_key
from marts.order_lifecycle as l
where
    not l.is_sequence_ok
    or l.paid_at < l.pending_at
    or l.completed_at < l.shipped_at
    or l.rts_at < l.shipped_at
    or l.paid_at < l.ordered_at
    or l.completed_at < l.ordered_at

-- An order found unchanged on a page that is left was not changed by that page, but by the one that is gone.
update marts.order_facts as f
set last_changed_at = b.last_changed_at
from replay_past as p
inner join replay_order_facts as b on b.order_key = p.order_key
where
    f.order_key = p.order_key and f.last_changed_at <> b.last_changed_at
    and f.payload_sha256 = b.payload_sha256 and f.is_deleted_at_source = b.is_deleted_at_source

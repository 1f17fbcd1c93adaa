-- Accounts whose orders are on no page any more still belong to whom they did.
update ops.accounts as a
set customer_key = f.customer_key
from replay_accounts as f
where
    f.source_system = a.source_system and f.partition_key = a.partition_key and a.customer_key is null
    and f.customer_key is not null

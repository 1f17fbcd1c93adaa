-- Remember why accounts fail, as far as people were told.
update ops.accounts as a
set told_reason = t.reason
from unnest(cast(:systems as text []), cast(:keys as text []), cast(:reasons as text [])) as t (system, key, reason)
where a.source_system = t.system and a.partition_key = t.key

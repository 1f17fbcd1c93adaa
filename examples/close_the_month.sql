-- May last month's numbers be closed? Who is not complete, and what changed in months that were published already?
select
    'not complete' as what,
    source,
    source_account as place,
    null as currency,
    accounts_not_complete::numeric(20, 4) as value,
    oldest_complete_at as since
from reporting.completeness
where accounts_not_complete > 0
union all
select
    'changed: ' || metric,
    source,
    store || ' ' || to_char(order_month, 'YYYY-MM'),
    currency,
    difference,
    detected_at
from reporting.restatements
where detected_at > now() - interval '31 days'
order by 1, 2, 3;

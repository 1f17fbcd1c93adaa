-- Runs that ended before a time and of which no event is left.
select r.run_id
from dagster.runs as r
where
    r.status in ('SUCCESS', 'FAILURE', 'CANCELED') and r.update_timestamp < cast(:before as timestamp)
    and not exists (select from dagster.event_logs as e where e.run_id = r.run_id)

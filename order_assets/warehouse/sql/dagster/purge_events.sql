-- Delete the events of runs that ended before a time, but for those that show what is: the newest of each kind of each
-- partition (its colour and its metadata), and what the newest result of each check refers to.
with old as (
    select r.run_id from dagster.runs as r
    where r.status in ('SUCCESS', 'FAILURE', 'CANCELED') and r.update_timestamp < cast(:before as timestamp)
),

shown as (
    select max(e.id) as id
    from dagster.event_logs as e
    where e.asset_key is not null
    group by e.dagster_event_type, e.asset_key, e.partition
    union all
    select unnest(array[c.evaluation_event_storage_id, c.materialization_event_storage_id])
    from dagster.asset_check_executions as c
    where c.id in (
        select max(n.id) from dagster.asset_check_executions as n group by n.asset_key, n.check_name, n.partition
    )
)

delete from dagster.event_logs as e
using old as o
where e.run_id = o.run_id and not exists (select from shown as s where s.id = e.id)

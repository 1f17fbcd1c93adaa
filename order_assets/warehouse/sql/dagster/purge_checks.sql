-- Delete results of checks that are older than a time, but for the newest of each.
delete from dagster.asset_check_executions as c
where
    c.create_timestamp < cast(:before as timestamp)
    and c.id not in (
        select max(n.id) from dagster.asset_check_executions as n group by n.asset_key, n.check_name, n.partition
    )

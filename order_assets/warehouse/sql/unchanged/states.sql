-- Per table of marts, all that decides what a statement finds in it: the server's own counts of rows written (they start
-- anew with the server, or when somebody resets them), its file (another one after truncate), and its columns.
-- No row where the server does not count.
select
    c.relname as table_name,
    concat_ws(
        ' ', c.oid, c.relfilenode, s.n_tup_ins, s.n_tup_upd, s.n_tup_del, d.stats_reset, pg_postmaster_start_time(),
        version(),
        (
            select string_agg(concat_ws(' ', a.attname, a.atttypid, a.atttypmod, a.attnotnull), ',' order by a.attnum)
            from pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        )
    ) as state
from pg_class as c
left join pg_stat_all_tables as s on s.relid = c.oid
cross join pg_stat_database as d
where
    c.relnamespace = 'marts'::regnamespace and c.relkind not in ('i', 'I') and d.datname = current_database()
    and current_setting('track_counts')::bool

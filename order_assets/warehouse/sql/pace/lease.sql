-- Our share of a host's places: an equal part, of what the other living sessions leave, but never less than is in
-- use. Where there are more sessions than places, they take turns by the second. The caller holds the row of the host,
-- so that sessions divide one after another.
with living as (
    select objid::bigint as session_id
    from pg_locks
    where
        locktype = 'advisory' and classid = 7205103 and objsubid = 2 and granted
        and database = (select oid from pg_database where datname = current_database())
),

gone as (
    delete from ops.api_leases as l
    where l.host = :host and not exists (select from living as v where v.session_id = l.session_id)
),

others as (
    select l.session_id, l.places
    from ops.api_leases as l
    inner join living as v on v.session_id = l.session_id
    where l.host = :host and l.session_id <> :session_id
),

among as (
    select
        count(*) + 1 as sessions,
        count(*) filter (where session_id < :session_id) as before_us,
        cast(:limit as int) - coalesce(sum(places), 0) as free
    from others
),

share as (
    select
        free,
        cast(:limit as int) / sessions
        + case
            when
                (before_us + case when sessions > cast(:limit as int) then turn else 0 end) % sessions
                < cast(:limit as int) % sessions
                then 1
            else 0
        end as fair
    from among cross join (select floor(extract(epoch from clock_timestamp()))::bigint as turn) as clock
)

insert into ops.api_leases (host, session_id, places)
select :host, :session_id, greatest(least(fair, free), :in_flight, 0)::int from share
on conflict (host, session_id) do update set places = excluded.places
returning places

-- Take the next starts of a host; the delay is from now to the first of them. Nothing is taken if the API asked
-- everyone to wait for longer than `wait`.
with due as (
    select host, greatest(next_start, blocked_until, clock_timestamp()) as start
    from ops.api_pace where host = :host
    for update
),

taken as (
    update ops.api_pace as p
    set next_start = d.start + make_interval(secs => :seconds)
    from due as d
    where p.host = d.host and d.start <= clock_timestamp() + make_interval(secs => :wait)
)

select greatest(extract(epoch from start - clock_timestamp()), 0)::float8 as delay_seconds from due

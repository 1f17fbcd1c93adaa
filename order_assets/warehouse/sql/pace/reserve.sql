-- Take the next starts of a host; the delay is from now to the first of them. Nothing is taken if the API asked
-- everyone to wait for longer than `wait`. They take up `seconds`, as long as the API's present window lasts, and
-- `own_seconds` at our own pace.
with due as (
    select host, greatest(next_start, blocked_until, clock_timestamp()) as start
    from ops.api_pace where host = :host
    for update
),

taken as (
    update ops.api_pace as p
    set
        next_start = greatest(
            d.start + make_interval(secs => :own_seconds),
            least(d.start + make_interval(secs => :seconds), clock_timestamp() + make_interval(secs => :window))
        )
    from due as d
    where p.host = d.host and d.start <= clock_timestamp() + make_interval(secs => :wait)
)

select greatest(extract(epoch from start - clock_timestamp()), 0)::float8 as delay_seconds from due

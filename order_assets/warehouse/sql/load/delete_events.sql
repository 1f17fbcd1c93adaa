-- What the source told of changed orders; it tells it again. Our own sightings stay, unless the source now tells the same.
delete from marts.order_status_events as e
using changed_orders as c
where
    e.order_key = c.order_key and not c.is_new
    and (
        e.event_source <> 'observed'
        or exists (
            select 1
            from stage_events as s
            where
                s.order_key = e.order_key and s.event_dimension = e.event_dimension and s.status = e.status
                and date_trunc('second', s.occurred_at) = date_trunc('second', e.occurred_at)
        )
    )

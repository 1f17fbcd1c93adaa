-- Events of orders that changed: what the accepted version tells, and our own sighting of a status that differs from
-- the load before, where the source tells of no entry into it since. It is dated by the source's own clock; without one
-- there is none. The same status in the same second is one event, and the source's word stands before ours. A new order
-- has no load before: what the source tells of it goes into the table as it is.
with seen as (
    select p.order_key, d.event_dimension, d.status, f.source_updated_at as occurred_at, p.source_updated_at as since
    from prior_versions as p
    inner join changed_orders as c on c.order_key = p.order_key
    inner join marts.order_facts as f on f.order_key = p.order_key
    cross join lateral (
        values
        ('order', f.source_status, p.source_status),
        ('payment', f.source_payment_status, p.source_payment_status),
        ('shipment', f.source_shipment_status, p.source_shipment_status)
    ) as d (event_dimension, status, former)
    where f.source_updated_at is not null and d.status is not null and d.status is distinct from d.former
),

sightings as (
    select s.order_key, s.event_dimension, s.status, s.occurred_at
    from seen as s
    where not exists (
        select 1 from stage_events as t
        where
            t.order_key = s.order_key and t.event_dimension = s.event_dimension and t.status = s.status
            and (
                t.occurred_at > s.since
                or date_trunc('second', t.occurred_at) = date_trunc('second', s.occurred_at)
            )
    )
    union
    select e.order_key, e.event_dimension, e.status, e.occurred_at
    from marts.order_status_events as e
    inner join changed_orders as c on c.order_key = e.order_key
    where e.event_source = 'observed'
),

events as (
    select order_key, event_dimension, status, occurred_at, event_source, actor_kind from stage_events
    union all
    select order_key, event_dimension, status, occurred_at, 'observed', null from sightings
)

insert into marts.order_status_events as e
    (order_key, event_dimension, status, occurred_at, event_source, is_first, actor_kind)
select
    n.order_key, n.event_dimension, n.status, n.occurred_at, n.event_source,
    n.occurred_at = min(n.occurred_at) over (partition by n.order_key, n.event_dimension, n.status),
    n.actor_kind
from events as n
on conflict (order_key, event_dimension, status, occurred_at) do update set
    is_first = excluded.is_first
where e.is_first <> excluded.is_first

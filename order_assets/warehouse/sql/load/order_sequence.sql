-- Rank each affected customer's recognised orders anew; only rows whose rank differs are written.
-- Customers are affected through the old and the new version of a changed order. An order that arrives late moves
-- the rank of later ones, so their days and months are touched as well.
with affected as (
    select p.source_system, p.currency_code, p.customer_key
    from prior_versions as p
    inner join changed_orders as c on c.order_key = p.order_key
    union
    select f.source_system, f.currency_code, f.customer_key
    from marts.order_facts as f
    inner join changed_orders as c on c.order_key = f.order_key
),

ranked as (
    select
        f.order_key,
        case
            when f.revenue_class = 'recognised'
                then row_number() over (
                    partition by f.source_system, f.currency_code, f.customer_key, f.revenue_class
                    order by f.ordered_at, f.source_order_id
                )
        end as seq
    from marts.order_facts as f
    inner join affected as a
        on a.source_system = f.source_system and a.currency_code = f.currency_code
        and a.customer_key = f.customer_key
),

moved as (
    update marts.order_facts as f
    set customer_order_seq = r.seq
    from ranked as r
    where r.order_key = f.order_key and f.customer_order_seq is distinct from r.seq
    returning f.order_date
)

insert into touched_dates (order_date) select order_date from moved

-- Rank each affected customer's recognised orders anew; only rows whose rank differs are written.
-- Customers are affected through the old and the new version of a changed order. An order that arrives late moves
-- the rank of later ones: the day of one that was, or has become, its customer's first is touched as well, since sums
-- tell first orders from later ones, but not the fifth from the sixth.
with affected as (
    select p.currency_code, p.customer_key
    from prior_versions as p
    inner join changed_orders as c on c.order_key = p.order_key
    union
    select f.currency_code, f.customer_key
    from marts.order_facts as f
    inner join changed_orders as c on c.order_key = f.order_key
),

-- Customer by customer, so that the index finds their orders however many others have. A customer is of one source.
ranked as (
    select r.order_key, r.seq, r.customer_order_seq as former_seq
    from affected as a
    cross join lateral (
        select
            f.order_key, f.customer_order_seq,
            case
                when f.revenue_class = 'recognised'
                    then row_number() over (
                        partition by f.revenue_class order by f.ordered_at, f.source_order_id
                    )
            end as seq
        from marts.order_facts as f
        where f.customer_key = a.customer_key and f.currency_code = a.currency_code
    ) as r
    where r.customer_order_seq is distinct from r.seq
),

moved as (
    update marts.order_facts as f
    set customer_order_seq = r.seq
    from ranked as r
    where r.order_key = f.order_key
    returning f.order_date, f.store_key, least(r.seq, r.former_seq) = 1 or r.former_seq is null as is_told
)

insert into touched_dates (order_date, store_key) select order_date, store_key from moved where is_told

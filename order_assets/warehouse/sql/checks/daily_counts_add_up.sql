-- The classes of a day add up to its orders.
select order_date::text || ' ' || store_key || ' ' || currency_code as order_key
from marts.revenue_daily
where
    orders_total <> orders_placed + orders_draft + orders_excluded
    or orders_placed <> orders_recognised + orders_open + orders_lost
    or orders_recognised <> orders_new + orders_returning

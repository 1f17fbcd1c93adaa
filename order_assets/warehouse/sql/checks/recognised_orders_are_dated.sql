-- Revenue has a date on which it became revenue.
select order_key from marts.order_facts where revenue_class = 'recognised' and recognised_at is null

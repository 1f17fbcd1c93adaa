-- Every order is in exactly one class, so the classes add up to all orders.
select order_key
from marts.order_facts
where
    revenue_class is null
    or revenue_class not in ('recognised', 'open', 'lost', 'draft', 'excluded')
    or revenue_class
    <> case when is_deleted_at_source or not is_money_reportable then 'excluded' else recognition_state end

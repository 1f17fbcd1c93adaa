-- The views of schema reporting. Frozen: later changes are migrations of their own.

create schema if not exists reporting;

create view reporting.orders as
select
    t.order_key as order_key,
    t.source_system as source,
    t.source_account as source_account,
    t.source_order_id as source_order_id,
    t.source_order_uuid as source_order_uuid,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.customer_key as customer_key,
    t.source_status as source_status,
    t.source_payment_status as source_payment_status,
    t.source_shipment_status as source_shipment_status,
    t.order_state as order_state,
    t.payment_state as payment_state,
    t.state_source as state_source,
    t.recognition_state as recognition_state,
    t.lost_kind as lost_kind,
    t.is_money_reportable as is_money_reportable,
    t.is_deleted_at_source as is_deleted_at_source,
    t.excluded_reason as excluded_reason,
    t.revenue_class as revenue_class,
    t.payment_method as payment_method,
    t.is_cod as is_cash_on_delivery,
    t.is_dropship as is_dropship,
    t.is_physical as is_physical,
    t.courier_code as courier_code,
    t.courier_service_code as courier_service_code,
    t.ship_province as ship_province,
    t.ship_city as ship_city,
    t.discount_code as discount_code,
    t.discount_code_applied_to as discount_code_applied_to,
    t.other_income_name as other_income_name,
    t.currency_code as currency,
    t.gross_sales_amount as gross_sales,
    t.sales_discount_amount as sales_discount,
    t.net_sales_amount as net_sales,
    t.shipping_charged_amount as shipping_charged,
    t.shipping_discount_amount as shipping_discount,
    t.net_shipping_amount as net_shipping,
    t.other_income_amount as other_income,
    t.original_amount as before_discounts,
    t.discount_amount as discount,
    t.payment_amount as payment,
    t.residual_amount as unexplained_payment,
    t.promo_discount_amount as promo_discount,
    t.technical_discount_amount as technical_discount,
    t.line_count as line_count,
    t.total_quantity as total_quantity,
    t.total_weight as total_weight,
    t.ordered_at as ordered_at,
    t.store_time_zone as store_time_zone,
    t.order_date as order_date,
    t.recognised_at as recognised_at,
    t.recognised_at_source as recognised_at_source,
    t.recognised_date as recognised_date,
    t.lost_date as lost_date,
    t.customer_order_seq as customer_order_number,
    t.anomaly_codes as anomaly_codes,
    t.source_updated_at as source_updated_at,
    t.last_changed_at as last_changed_at
from marts.order_facts as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.orders is 'One row per order as it is now. Revenue: revenue_class = ''recognised'', per currency';

comment on column reporting.orders.order_key is 'hex(sha256(source_system|source_account|source_order_id))';

comment on column reporting.orders.source is 'scalev or ktsp';

comment on column reporting.orders.source_account is 'Scalev store_id or KTSP programme: the scope of the order''s id';

comment on column reporting.orders.source_order_id is 'Scalev order_id, KTSP orderCode';

comment on column reporting.orders.source_order_uuid is 'Scalev id, for cross-reference';

comment on column reporting.orders.store_key is 'Store; ktsp|unknown where the source names none';

comment on column reporting.orders.store is 'Name of the store or programme';

comment on column reporting.orders.customer_key is 'Customer or member, as a pseudonym';

comment on column reporting.orders.source_status is 'Order status as sent, lower case';

comment on column reporting.orders.source_payment_status is 'Payment status as sent, lower case';

comment on column reporting.orders.source_shipment_status is 'Shipment status as sent, lower case';

comment on column reporting.orders.order_state is 'Canonical lifecycle state';

comment on column reporting.orders.payment_state is 'Canonical payment state';

comment on column reporting.orders.state_source is 'source, or assumed where the source reports no status (KTSP)';

comment on column reporting.orders.recognition_state is 'draft, open, recognised or lost under the recognition policy';

comment on column reporting.orders.lost_kind is 'Why a lost order is lost';

comment on column reporting.orders.is_money_reportable is 'False if currency or a core amount cannot be trusted';

comment on column reporting.orders.is_deleted_at_source is 'A complete, unsuspicious crawl of the account did not see the order any more';

comment on column reporting.orders.excluded_reason is 'Why the order is left out of money sums';

comment on column reporting.orders.revenue_class is 'recognised, open, lost, draft or excluded: exactly one';

comment on column reporting.orders.payment_method is 'Payment method as sent, lower case';

comment on column reporting.orders.is_cash_on_delivery is 'Paid on delivery';

comment on column reporting.orders.is_dropship is 'Dropship order';

comment on column reporting.orders.is_physical is 'Has a courier or was shipped; denominator of the return rate';

comment on column reporting.orders.courier_code is 'Courier company';

comment on column reporting.orders.courier_service_code is 'Courier service level';

comment on column reporting.orders.ship_province is 'Province of the destination; NULL unless switched on';

comment on column reporting.orders.ship_city is 'City of the destination; NULL unless switched on';

comment on column reporting.orders.discount_code is 'Discount code, trimmed, upper case';

comment on column reporting.orders.discount_code_applied_to is 'What the code''s discount was taken from, as sent';

comment on column reporting.orders.other_income_name is 'Label of the surcharge';

comment on column reporting.orders.currency is 'ISO 4217; XXX where it is mixed or invalid';

comment on column reporting.orders.gross_sales is 'Goods before discounts; in currency_code';

comment on column reporting.orders.sales_discount is 'Discounts on goods; in currency_code';

comment on column reporting.orders.net_sales is 'Gross sales less discounts on goods; in currency_code';

comment on column reporting.orders.shipping_charged is 'Shipping before discounts; NULL for KTSP; in currency_code';

comment on column reporting.orders.shipping_discount is 'Discounts on shipping; NULL for KTSP; in currency_code';

comment on column reporting.orders.net_shipping is 'Shipping charged less its discounts; NULL for KTSP; in currency_code';

comment on column reporting.orders.other_income is 'Surcharge paid by the buyer; NULL for KTSP; in currency_code';

comment on column reporting.orders.before_discounts is 'Everything before discounts; in currency_code';

comment on column reporting.orders.discount is 'Everything taken off; in currency_code';

comment on column reporting.orders.payment is 'What the buyer pays; in currency_code';

comment on column reporting.orders.unexplained_payment is 'payment - (original - discount): what the source does not explain; in currency_code';

comment on column reporting.orders.promo_discount is 'Discounts a marketer gave; in currency_code';

comment on column reporting.orders.technical_discount is 'The unique code that makes a bank transfer recognisable; in currency_code';

comment on column reporting.orders.line_count is 'Number of order lines';

comment on column reporting.orders.total_quantity is 'Sum of line quantities';

comment on column reporting.orders.total_weight is 'Source field total_weight, grams';

comment on column reporting.orders.ordered_at is 'When the order was placed (UTC)';

comment on column reporting.orders.store_time_zone is 'IANA zone in which the dates of this row are taken';

comment on column reporting.orders.order_date is 'Local date of ordered_at in store_time_zone';

comment on column reporting.orders.recognised_at is 'When the order became revenue (UTC)';

comment on column reporting.orders.recognised_at_source is 'Which source field recognised_at comes from';

comment on column reporting.orders.recognised_date is 'Local date of recognised_at';

comment on column reporting.orders.lost_date is 'Local date of lost_at';

comment on column reporting.orders.customer_order_number is 'Rank among the customer''s recognised orders in this currency, from 1';

comment on column reporting.orders.anomaly_codes is 'What is odd about the row (model.md 1.7)';

comment on column reporting.orders.source_updated_at is 'When the source last changed the order, if it says so';

comment on column reporting.orders.last_changed_at is 'When the row last changed';

create view reporting.order_lines as
select
    t.order_key as order_key,
    f.order_date as order_date,
    f.source_order_id as source_order_id,
    f.revenue_class as revenue_class,
    f.source_system as source,
    f.store_key as store_key,
    coalesce(s.display_name, f.store_key) as store,
    t.line_number as line_number,
    t.source_line_id as source_line_id,
    t.product_key as product_key,
    t.sku as sku,
    t.product_name as product_name,
    t.option1 as option1,
    t.option2 as option2,
    t.option3 as option3,
    t.item_type as item_type,
    t.pricing_type as pricing_type,
    t.billing_interval as billing_interval,
    t.billing_interval_count as billing_interval_count,
    t.is_digital as is_digital,
    t.currency_code as currency,
    t.quantity as quantity,
    t.unit_price_amount as unit_price,
    t.line_gross_amount as gross,
    t.line_discount_amount as line_discount,
    t.line_code_discount_amount as code_discount,
    t.alloc_header_discount_amount as share_of_order_discount,
    t.line_net_sales_amount as net_sales,
    t.weight as weight
from marts.order_line_facts as t
inner join marts.order_facts as f on f.order_key = t.order_key
left join marts.dim_store as s on s.store_key = f.store_key;

comment on view reporting.order_lines is 'One row per line of a Scalev order; net sales of the lines add up to that of the order';

comment on column reporting.order_lines.order_key is 'The order';

comment on column reporting.order_lines.order_date is 'Local date of the order in the store''s zone';

comment on column reporting.order_lines.source_order_id is 'Scalev order_id, KTSP orderCode';

comment on column reporting.order_lines.revenue_class is 'recognised, open, lost, draft or excluded: revenue is recognised ones only';

comment on column reporting.order_lines.source is 'scalev or ktsp';

comment on column reporting.order_lines.store_key is 'Store';

comment on column reporting.order_lines.store is 'Name of the store or programme';

comment on column reporting.order_lines.line_number is 'Position in the order, from 1';

comment on column reporting.order_lines.source_line_id is 'Id of the line at the source';

comment on column reporting.order_lines.product_key is 'ACCOUNT|VARIANT, else ACCOUNT|sku:SKU, else ACCOUNT|name:HASH of the name';

comment on column reporting.order_lines.sku is 'Stock keeping unit';

comment on column reporting.order_lines.product_name is 'Name of the product when it was ordered';

comment on column reporting.order_lines.option1 is 'First option of the variant, such as its size';

comment on column reporting.order_lines.option2 is 'Second option of the variant';

comment on column reporting.order_lines.option3 is 'Third option of the variant';

comment on column reporting.order_lines.item_type is 'Kind of item, as sent';

comment on column reporting.order_lines.pricing_type is 'One-time or recurring, as sent';

comment on column reporting.order_lines.billing_interval is 'Interval of a recurring price';

comment on column reporting.order_lines.billing_interval_count is 'Number of intervals between two payments';

comment on column reporting.order_lines.is_digital is 'Nothing is shipped; NULL where the source does not say';

comment on column reporting.order_lines.currency is 'ISO 4217, the line''s own; XXX where it is invalid';

comment on column reporting.order_lines.quantity is 'Pieces; 0 where the source does not say';

comment on column reporting.order_lines.unit_price is 'Price of one piece before discounts; in currency_code';

comment on column reporting.order_lines.gross is 'The line before discounts; in currency_code';

comment on column reporting.order_lines.line_discount is 'Discount the source gives on the line; in currency_code';

comment on column reporting.order_lines.code_discount is 'The line''s part of the code''s discount, 0 where the code is for shipping; in currency_code';

comment on column reporting.order_lines.share_of_order_discount is 'The line''s share of discounts on goods that only the order has; in currency_code';

comment on column reporting.order_lines.net_sales is 'Gross less the three discounts; adds up to the order''s net_sales_amount; in currency_code';

comment on column reporting.order_lines.weight is 'Weight at the source, grams';

create view reporting.order_discounts as
select
    t.order_key as order_key,
    f.order_date as order_date,
    f.source_order_id as source_order_id,
    f.revenue_class as revenue_class,
    f.source_system as source,
    f.store_key as store_key,
    coalesce(s.display_name, f.store_key) as store,
    t.discount_kind as discount_kind,
    t.discount_class as discount_class,
    t.discount_code as discount_code,
    t.currency_code as currency,
    t.amount as amount,
    t.basis_amount as basis
from marts.discount_facts as t
inner join marts.order_facts as f on f.order_key = t.order_key
left join marts.dim_store as s on s.store_key = f.store_key;

comment on view reporting.order_discounts is 'One row per order and kind of discount that is not zero; they add up to order_facts.discount_amount';

comment on column reporting.order_discounts.order_key is 'The order';

comment on column reporting.order_discounts.order_date is 'Local date of the order in the store''s zone';

comment on column reporting.order_discounts.source_order_id is 'Scalev order_id, KTSP orderCode';

comment on column reporting.order_discounts.revenue_class is 'recognised, open, lost, draft or excluded: revenue is recognised ones only';

comment on column reporting.order_discounts.source is 'scalev or ktsp';

comment on column reporting.order_discounts.store_key is 'Store';

comment on column reporting.order_discounts.store is 'Name of the store or programme';

comment on column reporting.order_discounts.discount_kind is 'product, code, shipping, unique_code, or order (KTSP)';

comment on column reporting.order_discounts.discount_class is 'promotional, technical (unique code) or unknown (KTSP)';

comment on column reporting.order_discounts.discount_code is 'Code, trimmed, upper case';

comment on column reporting.order_discounts.currency is 'ISO 4217';

comment on column reporting.order_discounts.amount is 'Amount taken off; in currency_code';

comment on column reporting.order_discounts.basis is 'Amount it was taken from; in currency_code';

create view reporting.order_milestones as
select
    t.order_key as order_key,
    f.order_date as order_date,
    f.source_order_id as source_order_id,
    f.revenue_class as revenue_class,
    f.source_system as source,
    f.store_key as store_key,
    coalesce(s.display_name, f.store_key) as store,
    t.ordered_at as ordered_at,
    t.draft_at as draft_at,
    t.pending_at as pending_at,
    t.confirmed_at as confirmed_at,
    t.in_process_at as in_process_at,
    t.ready_at as ready_at,
    t.shipped_at as shipped_at,
    t.completed_at as completed_at,
    t.rts_at as returned_at,
    t.canceled_at as canceled_at,
    t.closed_at as closed_at,
    t.unpaid_at as unpaid_at,
    t.paid_at as paid_at,
    t.transfer_at as transfer_at,
    t.reopened_count as reopened_count,
    t.is_sequence_ok as is_sequence_ok
from marts.order_lifecycle as t
inner join marts.order_facts as f on f.order_key = t.order_key
left join marts.dim_store as s on s.store_key = f.store_key;

comment on view reporting.order_milestones is 'One row per order: when it first reached which status. transfer_at is typed by staff; use no durations of it';

comment on column reporting.order_milestones.order_key is 'The order';

comment on column reporting.order_milestones.order_date is 'Local date of the order in the store''s zone';

comment on column reporting.order_milestones.source_order_id is 'Scalev order_id, KTSP orderCode';

comment on column reporting.order_milestones.revenue_class is 'recognised, open, lost, draft or excluded: revenue is recognised ones only';

comment on column reporting.order_milestones.source is 'scalev or ktsp';

comment on column reporting.order_milestones.store_key is 'Store';

comment on column reporting.order_milestones.store is 'Name of the store or programme';

comment on column reporting.order_milestones.ordered_at is 'When the order was placed (UTC)';

comment on column reporting.order_milestones.draft_at is 'First valid time of draft (UTC)';

comment on column reporting.order_milestones.pending_at is 'First valid time of pending (UTC)';

comment on column reporting.order_milestones.confirmed_at is 'First valid time of confirmed (UTC)';

comment on column reporting.order_milestones.in_process_at is 'First valid time of in_process (UTC)';

comment on column reporting.order_milestones.ready_at is 'First valid time of ready (UTC)';

comment on column reporting.order_milestones.shipped_at is 'First valid time of shipped (UTC)';

comment on column reporting.order_milestones.completed_at is 'First valid time of completed (UTC)';

comment on column reporting.order_milestones.returned_at is 'First valid time of rts (UTC)';

comment on column reporting.order_milestones.canceled_at is 'First valid time of canceled (UTC)';

comment on column reporting.order_milestones.closed_at is 'First valid time of closed (UTC)';

comment on column reporting.order_milestones.unpaid_at is 'First valid time of unpaid (UTC)';

comment on column reporting.order_milestones.paid_at is 'First valid time of paid (UTC)';

comment on column reporting.order_milestones.transfer_at is 'First valid time of transfer (UTC)';

comment on column reporting.order_milestones.reopened_count is 'How often a status was entered again';

comment on column reporting.order_milestones.is_sequence_ok is 'Statuses were reached in their usual order';

create view reporting.order_status_changes as
select
    t.order_key as order_key,
    f.order_date as order_date,
    f.source_order_id as source_order_id,
    f.revenue_class as revenue_class,
    f.source_system as source,
    f.store_key as store_key,
    coalesce(s.display_name, f.store_key) as store,
    t.event_dimension as event_dimension,
    t.status as status,
    t.occurred_at as occurred_at,
    t.event_source as event_source,
    t.is_first as is_first
from marts.order_status_events as t
inner join marts.order_facts as f on f.order_key = t.order_key
left join marts.dim_store as s on s.store_key = f.store_key;

comment on view reporting.order_status_changes is 'One row per entry of an order into a status: the log beside the milestones of order_lifecycle';

comment on column reporting.order_status_changes.order_key is 'The order';

comment on column reporting.order_status_changes.order_date is 'Local date of the order in the store''s zone';

comment on column reporting.order_status_changes.source_order_id is 'Scalev order_id, KTSP orderCode';

comment on column reporting.order_status_changes.revenue_class is 'recognised, open, lost, draft or excluded: revenue is recognised ones only';

comment on column reporting.order_status_changes.source is 'scalev or ktsp';

comment on column reporting.order_status_changes.store_key is 'Store';

comment on column reporting.order_status_changes.store is 'Name of the store or programme';

comment on column reporting.order_status_changes.event_dimension is 'order, payment or shipment';

comment on column reporting.order_status_changes.status is 'Status that was entered, as sent, lower case';

comment on column reporting.order_status_changes.occurred_at is 'When it was entered (UTC)';

comment on column reporting.order_status_changes.event_source is 'time_column, history, observed (our sighting of a change) or order_time (KTSP)';

comment on column reporting.order_status_changes.is_first is 'First entry into this status';

create view reporting.stores as
select
    t.store_key as store_key,
    t.source_system as source,
    t.source_store_id as source_store_id,
    t.display_name as store,
    t.time_zone as time_zone,
    t.default_currency as default_currency
from marts.dim_store as t;

comment on view reporting.stores is 'One row per store; names follow the source, a new name is not a new store';

comment on column reporting.stores.store_key is 'SOURCE|STORE_ID; SOURCE|unknown is the default row';

comment on column reporting.stores.source is 'scalev or ktsp';

comment on column reporting.stores.source_store_id is 'Scalev store.unique_id, KTSP storeCode, or unknown';

comment on column reporting.stores.store is 'English name, else traditional, else simplified, else the id';

comment on column reporting.stores.time_zone is 'IANA zone in which business dates are taken';

comment on column reporting.stores.default_currency is 'Currency used where no line names one';

create view reporting.customers as
select
    t.customer_key as customer_key,
    t.source_system as source,
    t.source_account as source_account,
    t.source_status as source_status,
    t.customer_created_at as customer_created_at
from marts.dim_customer as t;

comment on view reporting.customers is 'One row per customer or member, known only by a keyed pseudonym';

comment on column reporting.customers.customer_key is 'HMAC-SHA256(key, source|account|id), hex';

comment on column reporting.customers.source is 'scalev or ktsp';

comment on column reporting.customers.source_account is 'Store or programme the person belongs to';

comment on column reporting.customers.source_status is 'Status of the customer at the source, if it says one';

comment on column reporting.customers.customer_created_at is 'When the source created the customer, if it says so';

create view reporting.revenue_by_day as
select
    t.order_date as order_date,
    t.source_system as source,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.orders_total as orders_total,
    t.orders_placed as orders_placed,
    t.orders_recognised as orders_recognised,
    t.orders_open as orders_open,
    t.orders_lost as orders_lost,
    t.orders_canceled as orders_canceled,
    t.orders_rts as orders_returned,
    t.orders_draft as orders_draft,
    t.orders_excluded as orders_excluded,
    t.customers_recognised as customers_recognised,
    t.orders_new as orders_new,
    t.orders_returning as orders_returning,
    t.orders_promo_discounted as orders_promo_discounted,
    t.gross_sales_amount as gross_sales,
    t.sales_discount_amount as sales_discount,
    t.net_sales_amount as net_sales,
    t.net_shipping_amount as net_shipping,
    t.other_income_amount as other_income,
    t.residual_amount as unexplained_payment,
    t.original_amount as before_discounts,
    t.discount_amount as discount,
    t.payment_amount as payment,
    t.open_payment_amount as open_payment,
    t.lost_payment_amount as lost_payment,
    t.aov_net_sales as average_order_value,
    t.avg_payment_amount as average_payment,
    t.sales_discount_rate as sales_discount_rate,
    t.total_discount_rate as total_discount_rate,
    t.avg_order_discount_rate as average_order_discount_rate,
    t.promo_discounted_order_rate as promo_discounted_order_rate,
    t.cancel_rate as cancel_rate,
    t.rts_rate as return_rate,
    t.rts_share_of_shipped as returned_share_of_shipped
from marts.revenue_daily as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.revenue_by_day is 'Revenue by order date, store and currency: observed revenue of the configured customers and members';

comment on column reporting.revenue_by_day.order_date is 'Local date of the order in the store''s zone';

comment on column reporting.revenue_by_day.source is 'scalev or ktsp';

comment on column reporting.revenue_by_day.store_key is 'Store';

comment on column reporting.revenue_by_day.store is 'Name of the store or programme';

comment on column reporting.revenue_by_day.currency is 'ISO 4217; XXX counts orders whose money is not reportable';

comment on column reporting.revenue_by_day.orders_total is 'All orders of the group: placed + draft + excluded';

comment on column reporting.revenue_by_day.orders_placed is 'Orders placed: recognised + open + lost';

comment on column reporting.revenue_by_day.orders_recognised is 'Orders that count as revenue under the recognition policy';

comment on column reporting.revenue_by_day.orders_open is 'Orders neither recognised nor lost yet';

comment on column reporting.revenue_by_day.orders_lost is 'Orders canceled, returned to sender, or closed unpaid';

comment on column reporting.revenue_by_day.orders_canceled is 'Lost orders that were canceled';

comment on column reporting.revenue_by_day.orders_returned is 'Lost orders returned to sender';

comment on column reporting.revenue_by_day.orders_draft is 'Drafts, not placed';

comment on column reporting.revenue_by_day.orders_excluded is 'Orders deleted at the source, or money not trusted';

comment on column reporting.revenue_by_day.customers_recognised is 'Customers with a recognised order; do not add over days (do not add up)';

comment on column reporting.revenue_by_day.orders_new is 'Recognised orders that are a customer''s first';

comment on column reporting.revenue_by_day.orders_returning is 'Recognised orders after a customer''s first';

comment on column reporting.revenue_by_day.orders_promo_discounted is 'Recognised orders with a promotional discount (the unique code is not one)';

comment on column reporting.revenue_by_day.gross_sales is 'Goods before discounts; sum over recognised orders';

comment on column reporting.revenue_by_day.sales_discount is 'Discounts on goods; sum over recognised orders';

comment on column reporting.revenue_by_day.net_sales is 'Gross sales less discounts on goods: the headline revenue; sum over recognised orders';

comment on column reporting.revenue_by_day.net_shipping is 'Shipping charged less shipping discounts; sum over recognised orders';

comment on column reporting.revenue_by_day.other_income is 'Surcharges paid by the buyer; sum over recognised orders';

comment on column reporting.revenue_by_day.unexplained_payment is 'Part of the payment the source does not explain, e.g. payment fees; sum over recognised orders';

comment on column reporting.revenue_by_day.before_discounts is 'Everything before discounts; sum over recognised orders';

comment on column reporting.revenue_by_day.discount is 'Everything taken off; sum over recognised orders';

comment on column reporting.revenue_by_day.payment is 'What buyers pay; sum over recognised orders';

comment on column reporting.revenue_by_day.open_payment is 'What buyers would pay for open orders';

comment on column reporting.revenue_by_day.lost_payment is 'What buyers would have paid for lost orders';

comment on column reporting.revenue_by_day.average_order_value is 'Average order value: net sales / recognised orders (do not add up)';

comment on column reporting.revenue_by_day.average_payment is 'Payment / recognised orders (do not add up)';

comment on column reporting.revenue_by_day.sales_discount_rate is 'Discounts on goods / gross sales (do not add up)';

comment on column reporting.revenue_by_day.total_discount_rate is 'All discounts / everything before discounts (do not add up)';

comment on column reporting.revenue_by_day.average_order_discount_rate is 'Unweighted mean over recognised orders of discount on goods / gross sales; orders with gross 0 left out (do not add up)';

comment on column reporting.revenue_by_day.promo_discounted_order_rate is 'Orders with a promotional discount / recognised orders (do not add up)';

comment on column reporting.revenue_by_day.cancel_rate is 'Canceled orders / placed orders (do not add up)';

comment on column reporting.revenue_by_day.return_rate is 'Returned orders / (returned + completed physical orders): resolved parcels only (do not add up)';

comment on column reporting.revenue_by_day.returned_share_of_shipped is 'Returned orders / orders that were shipped (do not add up)';

create view reporting.revenue_by_day_without_gaps as
select
    t.order_date as order_date,
    t.source_system as source,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.orders_total as orders_total,
    t.orders_placed as orders_placed,
    t.orders_recognised as orders_recognised,
    t.orders_open as orders_open,
    t.orders_lost as orders_lost,
    t.orders_canceled as orders_canceled,
    t.orders_rts as orders_returned,
    t.orders_draft as orders_draft,
    t.orders_excluded as orders_excluded,
    t.customers_recognised as customers_recognised,
    t.orders_new as orders_new,
    t.orders_returning as orders_returning,
    t.orders_promo_discounted as orders_promo_discounted,
    t.gross_sales_amount::numeric(20, 4) as gross_sales,
    t.sales_discount_amount::numeric(20, 4) as sales_discount,
    t.net_sales_amount::numeric(20, 4) as net_sales,
    t.net_shipping_amount::numeric(20, 4) as net_shipping,
    t.other_income_amount::numeric(20, 4) as other_income,
    t.residual_amount::numeric(20, 4) as unexplained_payment,
    t.original_amount::numeric(20, 4) as before_discounts,
    t.discount_amount::numeric(20, 4) as discount,
    t.payment_amount::numeric(20, 4) as payment,
    t.open_payment_amount::numeric(20, 4) as open_payment,
    t.lost_payment_amount::numeric(20, 4) as lost_payment,
    t.aov_net_sales::numeric(20, 4) as average_order_value,
    t.avg_payment_amount::numeric(20, 4) as average_payment,
    t.sales_discount_rate::numeric(9, 6) as sales_discount_rate,
    t.total_discount_rate::numeric(9, 6) as total_discount_rate,
    t.avg_order_discount_rate::numeric(9, 6) as average_order_discount_rate,
    t.promo_discounted_order_rate::numeric(9, 6) as promo_discounted_order_rate,
    t.cancel_rate::numeric(9, 6) as cancel_rate,
    t.rts_rate::numeric(9, 6) as return_rate,
    t.rts_share_of_shipped::numeric(9, 6) as returned_share_of_shipped
from marts.revenue_daily_dense as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.revenue_by_day_without_gaps is 'revenue_by_day with every day from a store''s first order on; days without orders count 0';

comment on column reporting.revenue_by_day_without_gaps.order_date is 'Local date of the order in the store''s zone';

comment on column reporting.revenue_by_day_without_gaps.source is 'scalev or ktsp';

comment on column reporting.revenue_by_day_without_gaps.store_key is 'Store';

comment on column reporting.revenue_by_day_without_gaps.store is 'Name of the store or programme';

comment on column reporting.revenue_by_day_without_gaps.currency is 'ISO 4217; XXX counts orders whose money is not reportable';

comment on column reporting.revenue_by_day_without_gaps.orders_total is 'All orders of the group: placed + draft + excluded';

comment on column reporting.revenue_by_day_without_gaps.orders_placed is 'Orders placed: recognised + open + lost';

comment on column reporting.revenue_by_day_without_gaps.orders_recognised is 'Orders that count as revenue under the recognition policy';

comment on column reporting.revenue_by_day_without_gaps.orders_open is 'Orders neither recognised nor lost yet';

comment on column reporting.revenue_by_day_without_gaps.orders_lost is 'Orders canceled, returned to sender, or closed unpaid';

comment on column reporting.revenue_by_day_without_gaps.orders_canceled is 'Lost orders that were canceled';

comment on column reporting.revenue_by_day_without_gaps.orders_returned is 'Lost orders returned to sender';

comment on column reporting.revenue_by_day_without_gaps.orders_draft is 'Drafts, not placed';

comment on column reporting.revenue_by_day_without_gaps.orders_excluded is 'Orders deleted at the source, or money not trusted';

comment on column reporting.revenue_by_day_without_gaps.customers_recognised is 'Customers with a recognised order; do not add over days';

comment on column reporting.revenue_by_day_without_gaps.orders_new is 'Recognised orders that are a customer''s first';

comment on column reporting.revenue_by_day_without_gaps.orders_returning is 'Recognised orders after a customer''s first';

comment on column reporting.revenue_by_day_without_gaps.orders_promo_discounted is 'Recognised orders with a promotional discount (the unique code is not one)';

comment on column reporting.revenue_by_day_without_gaps.gross_sales is 'Goods before discounts; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.sales_discount is 'Discounts on goods; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.net_sales is 'Gross sales less discounts on goods: the headline revenue; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.net_shipping is 'Shipping charged less shipping discounts; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.other_income is 'Surcharges paid by the buyer; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.unexplained_payment is 'Part of the payment the source does not explain, e.g. payment fees; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.before_discounts is 'Everything before discounts; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.discount is 'Everything taken off; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.payment is 'What buyers pay; sum over recognised orders';

comment on column reporting.revenue_by_day_without_gaps.open_payment is 'What buyers would pay for open orders';

comment on column reporting.revenue_by_day_without_gaps.lost_payment is 'What buyers would have paid for lost orders';

comment on column reporting.revenue_by_day_without_gaps.average_order_value is 'Average order value: net sales / recognised orders';

comment on column reporting.revenue_by_day_without_gaps.average_payment is 'Payment / recognised orders';

comment on column reporting.revenue_by_day_without_gaps.sales_discount_rate is 'Discounts on goods / gross sales';

comment on column reporting.revenue_by_day_without_gaps.total_discount_rate is 'All discounts / everything before discounts';

comment on column reporting.revenue_by_day_without_gaps.average_order_discount_rate is 'Unweighted mean over recognised orders of discount on goods / gross sales; orders with gross 0 left out';

comment on column reporting.revenue_by_day_without_gaps.promo_discounted_order_rate is 'Orders with a promotional discount / recognised orders';

comment on column reporting.revenue_by_day_without_gaps.cancel_rate is 'Canceled orders / placed orders';

comment on column reporting.revenue_by_day_without_gaps.return_rate is 'Returned orders / (returned + completed physical orders): resolved parcels only';

comment on column reporting.revenue_by_day_without_gaps.returned_share_of_shipped is 'Returned orders / orders that were shipped';

create view reporting.revenue_by_month as
select
    t.order_month as order_month,
    t.source_system as source,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.orders_total as orders_total,
    t.orders_placed as orders_placed,
    t.orders_recognised as orders_recognised,
    t.orders_open as orders_open,
    t.orders_lost as orders_lost,
    t.orders_canceled as orders_canceled,
    t.orders_rts as orders_returned,
    t.orders_draft as orders_draft,
    t.orders_excluded as orders_excluded,
    t.customers_recognised as customers_recognised,
    t.orders_new as orders_new,
    t.orders_returning as orders_returning,
    t.orders_promo_discounted as orders_promo_discounted,
    t.gross_sales_amount as gross_sales,
    t.sales_discount_amount as sales_discount,
    t.net_sales_amount as net_sales,
    t.net_shipping_amount as net_shipping,
    t.other_income_amount as other_income,
    t.residual_amount as unexplained_payment,
    t.original_amount as before_discounts,
    t.discount_amount as discount,
    t.payment_amount as payment,
    t.open_payment_amount as open_payment,
    t.lost_payment_amount as lost_payment,
    t.aov_net_sales as average_order_value,
    t.avg_payment_amount as average_payment,
    t.sales_discount_rate as sales_discount_rate,
    t.total_discount_rate as total_discount_rate,
    t.avg_order_discount_rate as average_order_discount_rate,
    t.promo_discounted_order_rate as promo_discounted_order_rate,
    t.cancel_rate as cancel_rate,
    t.rts_rate as return_rate,
    t.rts_share_of_shipped as returned_share_of_shipped
from marts.revenue_monthly as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.revenue_by_month is 'Revenue by month of the order date, store and currency; customers counted over the month, not added over days';

comment on column reporting.revenue_by_month.order_month is 'First day of the month of the order date';

comment on column reporting.revenue_by_month.source is 'scalev or ktsp';

comment on column reporting.revenue_by_month.store_key is 'Store';

comment on column reporting.revenue_by_month.store is 'Name of the store or programme';

comment on column reporting.revenue_by_month.currency is 'ISO 4217; XXX counts orders whose money is not reportable';

comment on column reporting.revenue_by_month.orders_total is 'All orders of the group: placed + draft + excluded';

comment on column reporting.revenue_by_month.orders_placed is 'Orders placed: recognised + open + lost';

comment on column reporting.revenue_by_month.orders_recognised is 'Orders that count as revenue under the recognition policy';

comment on column reporting.revenue_by_month.orders_open is 'Orders neither recognised nor lost yet';

comment on column reporting.revenue_by_month.orders_lost is 'Orders canceled, returned to sender, or closed unpaid';

comment on column reporting.revenue_by_month.orders_canceled is 'Lost orders that were canceled';

comment on column reporting.revenue_by_month.orders_returned is 'Lost orders returned to sender';

comment on column reporting.revenue_by_month.orders_draft is 'Drafts, not placed';

comment on column reporting.revenue_by_month.orders_excluded is 'Orders deleted at the source, or money not trusted';

comment on column reporting.revenue_by_month.customers_recognised is 'Customers with a recognised order; do not add over days (do not add up)';

comment on column reporting.revenue_by_month.orders_new is 'Recognised orders that are a customer''s first';

comment on column reporting.revenue_by_month.orders_returning is 'Recognised orders after a customer''s first';

comment on column reporting.revenue_by_month.orders_promo_discounted is 'Recognised orders with a promotional discount (the unique code is not one)';

comment on column reporting.revenue_by_month.gross_sales is 'Goods before discounts; sum over recognised orders';

comment on column reporting.revenue_by_month.sales_discount is 'Discounts on goods; sum over recognised orders';

comment on column reporting.revenue_by_month.net_sales is 'Gross sales less discounts on goods: the headline revenue; sum over recognised orders';

comment on column reporting.revenue_by_month.net_shipping is 'Shipping charged less shipping discounts; sum over recognised orders';

comment on column reporting.revenue_by_month.other_income is 'Surcharges paid by the buyer; sum over recognised orders';

comment on column reporting.revenue_by_month.unexplained_payment is 'Part of the payment the source does not explain, e.g. payment fees; sum over recognised orders';

comment on column reporting.revenue_by_month.before_discounts is 'Everything before discounts; sum over recognised orders';

comment on column reporting.revenue_by_month.discount is 'Everything taken off; sum over recognised orders';

comment on column reporting.revenue_by_month.payment is 'What buyers pay; sum over recognised orders';

comment on column reporting.revenue_by_month.open_payment is 'What buyers would pay for open orders';

comment on column reporting.revenue_by_month.lost_payment is 'What buyers would have paid for lost orders';

comment on column reporting.revenue_by_month.average_order_value is 'Average order value: net sales / recognised orders (do not add up)';

comment on column reporting.revenue_by_month.average_payment is 'Payment / recognised orders (do not add up)';

comment on column reporting.revenue_by_month.sales_discount_rate is 'Discounts on goods / gross sales (do not add up)';

comment on column reporting.revenue_by_month.total_discount_rate is 'All discounts / everything before discounts (do not add up)';

comment on column reporting.revenue_by_month.average_order_discount_rate is 'Unweighted mean over recognised orders of discount on goods / gross sales; orders with gross 0 left out (do not add up)';

comment on column reporting.revenue_by_month.promo_discounted_order_rate is 'Orders with a promotional discount / recognised orders (do not add up)';

comment on column reporting.revenue_by_month.cancel_rate is 'Canceled orders / placed orders (do not add up)';

comment on column reporting.revenue_by_month.return_rate is 'Returned orders / (returned + completed physical orders): resolved parcels only (do not add up)';

comment on column reporting.revenue_by_month.returned_share_of_shipped is 'Returned orders / orders that were shipped (do not add up)';

create view reporting.revenue_movements_by_day as
select
    t.movement_date as movement_date,
    t.source_system as source,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.recognitions as recognitions,
    t.reversals as reversals,
    t.fallback_dated as fallback_dated,
    t.recognised_net_sales_amount as recognised_net_sales,
    t.reversed_net_sales_amount as reversed_net_sales,
    t.net_sales_amount as net_sales,
    t.recognised_payment_amount as recognised_payment,
    t.reversed_payment_amount as reversed_payment,
    t.payment_amount as payment
from marts.revenue_movements_daily as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.revenue_movements_by_day is 'Revenue by the date it was recognised (+) or, if a paid order was lost, reversed (-), store and currency';

comment on column reporting.revenue_movements_by_day.movement_date is 'Local date on which orders became revenue or were lost';

comment on column reporting.revenue_movements_by_day.source is 'scalev or ktsp';

comment on column reporting.revenue_movements_by_day.store_key is 'Store';

comment on column reporting.revenue_movements_by_day.store is 'Name of the store or programme';

comment on column reporting.revenue_movements_by_day.currency is 'ISO 4217; XXX counts orders whose money is not reportable';

comment on column reporting.revenue_movements_by_day.recognitions is 'Orders that became revenue on the date';

comment on column reporting.revenue_movements_by_day.reversals is 'Paid orders that were lost on the date';

comment on column reporting.revenue_movements_by_day.fallback_dated is 'Movements without a date of their own, dated by the order or (reversals) its last update';

comment on column reporting.revenue_movements_by_day.recognised_net_sales is 'Net sales of the recognitions';

comment on column reporting.revenue_movements_by_day.reversed_net_sales is 'Net sales of the reversals, positive';

comment on column reporting.revenue_movements_by_day.net_sales is 'Net sales recognised less reversed';

comment on column reporting.revenue_movements_by_day.recognised_payment is 'Payment of the recognitions';

comment on column reporting.revenue_movements_by_day.reversed_payment is 'Payment of the reversals, positive';

comment on column reporting.revenue_movements_by_day.payment is 'Payment recognised less reversed';

create view reporting.discounts_by_day as
select
    t.order_date as order_date,
    t.source_system as source,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.discount_kind as discount_kind,
    t.orders_recognised as orders_recognised,
    t.discount_amount as discount,
    t.basis_amount as basis,
    t.discount_rate as discount_rate,
    t.avg_discount_amount as average_discount,
    t.share_of_discount as share_of_discount,
    t.net_sales_amount as net_sales,
    t.customers as customers,
    t.orders_lost as orders_lost,
    t.discount_amount_lost as discount_lost
from marts.discount_by_kind_daily as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.discounts_by_day is 'Discounts by order date, store, currency and kind';

comment on column reporting.discounts_by_day.order_date is 'Local date of the order in the store''s zone';

comment on column reporting.discounts_by_day.source is 'scalev or ktsp';

comment on column reporting.discounts_by_day.store_key is 'Store';

comment on column reporting.discounts_by_day.store is 'Name of the store or programme';

comment on column reporting.discounts_by_day.currency is 'ISO 4217; XXX counts orders whose money is not reportable';

comment on column reporting.discounts_by_day.discount_kind is 'product, code, shipping, unique_code, or order (KTSP)';

comment on column reporting.discounts_by_day.orders_recognised is 'Recognised orders that carry the kind';

comment on column reporting.discounts_by_day.discount is 'Discount of the kind over recognised orders';

comment on column reporting.discounts_by_day.basis is 'What the discount was taken from, over the same orders';

comment on column reporting.discounts_by_day.discount_rate is 'Discount / basis (do not add up)';

comment on column reporting.discounts_by_day.average_discount is 'Discount / orders that carry it (do not add up)';

comment on column reporting.discounts_by_day.share_of_discount is 'Share of the kind in all discounts of the store, currency and period (do not add up)';

comment on column reporting.discounts_by_day.net_sales is 'Net sales of the orders that carry the kind; an order can carry several, so do not add over kinds';

comment on column reporting.discounts_by_day.customers is 'Customers with such an order (do not add up)';

comment on column reporting.discounts_by_day.orders_lost is 'Lost orders that carried the kind';

comment on column reporting.discounts_by_day.discount_lost is 'Discount of the kind on lost orders';

create view reporting.discounts_by_month as
select
    t.order_month as order_month,
    t.source_system as source,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.discount_kind as discount_kind,
    t.orders_recognised as orders_recognised,
    t.discount_amount as discount,
    t.basis_amount as basis,
    t.discount_rate as discount_rate,
    t.avg_discount_amount as average_discount,
    t.share_of_discount as share_of_discount,
    t.net_sales_amount as net_sales,
    t.customers as customers,
    t.orders_lost as orders_lost,
    t.discount_amount_lost as discount_lost
from marts.discount_by_kind_monthly as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.discounts_by_month is 'Discounts by month, store, currency and kind';

comment on column reporting.discounts_by_month.order_month is 'First day of the month of the order date';

comment on column reporting.discounts_by_month.source is 'scalev or ktsp';

comment on column reporting.discounts_by_month.store_key is 'Store';

comment on column reporting.discounts_by_month.store is 'Name of the store or programme';

comment on column reporting.discounts_by_month.currency is 'ISO 4217; XXX counts orders whose money is not reportable';

comment on column reporting.discounts_by_month.discount_kind is 'product, code, shipping, unique_code, or order (KTSP)';

comment on column reporting.discounts_by_month.orders_recognised is 'Recognised orders that carry the kind';

comment on column reporting.discounts_by_month.discount is 'Discount of the kind over recognised orders';

comment on column reporting.discounts_by_month.basis is 'What the discount was taken from, over the same orders';

comment on column reporting.discounts_by_month.discount_rate is 'Discount / basis (do not add up)';

comment on column reporting.discounts_by_month.average_discount is 'Discount / orders that carry it (do not add up)';

comment on column reporting.discounts_by_month.share_of_discount is 'Share of the kind in all discounts of the store, currency and period (do not add up)';

comment on column reporting.discounts_by_month.net_sales is 'Net sales of the orders that carry the kind; an order can carry several, so do not add over kinds';

comment on column reporting.discounts_by_month.customers is 'Customers with such an order (do not add up)';

comment on column reporting.discounts_by_month.orders_lost is 'Lost orders that carried the kind';

comment on column reporting.discounts_by_month.discount_lost is 'Discount of the kind on lost orders';

create view reporting.discount_codes as
select
    t.source_system as source,
    t.source_account as source_account,
    t.currency_code as currency,
    t.discount_code as discount_code,
    t.orders_recognised as orders_recognised,
    t.discount_amount as discount,
    t.basis_amount as basis,
    t.discount_rate as discount_rate,
    t.avg_discount_amount as average_discount,
    t.net_sales_amount as net_sales,
    t.customers as customers,
    t.first_used_date as first_used_date,
    t.last_used_date as last_used_date,
    t.new_customer_orders as new_customer_orders,
    t.aov_net_sales as average_order_value,
    t.orders_lost as orders_lost,
    t.discount_amount_lost as discount_lost,
    t.redemption_lost_rate as redemption_lost_rate
from marts.discount_by_code as t;

comment on view reporting.discount_codes is 'Discount codes, over all time';

comment on column reporting.discount_codes.source is 'scalev or ktsp';

comment on column reporting.discount_codes.source_account is 'Scalev store_id: the scope of the code';

comment on column reporting.discount_codes.currency is 'ISO 4217';

comment on column reporting.discount_codes.discount_code is 'Code, trimmed, upper case';

comment on column reporting.discount_codes.orders_recognised is 'Recognised orders with the code';

comment on column reporting.discount_codes.discount is 'Discount of the code over recognised orders';

comment on column reporting.discount_codes.basis is 'What the discount was taken from, over the same orders';

comment on column reporting.discount_codes.discount_rate is 'Discount / basis (do not add up)';

comment on column reporting.discount_codes.average_discount is 'Discount / recognised orders with the code (do not add up)';

comment on column reporting.discount_codes.net_sales is 'Net sales of the recognised orders with the code';

comment on column reporting.discount_codes.customers is 'Customers with such an order (do not add up)';

comment on column reporting.discount_codes.first_used_date is 'Order date of the first recognised order with the code';

comment on column reporting.discount_codes.last_used_date is 'Order date of the last recognised order with the code';

comment on column reporting.discount_codes.new_customer_orders is 'Recognised orders with the code that are a customer''s first';

comment on column reporting.discount_codes.average_order_value is 'Average order value: net sales / recognised orders (do not add up)';

comment on column reporting.discount_codes.orders_lost is 'Lost orders with the code';

comment on column reporting.discount_codes.discount_lost is 'Discount of the code on lost orders';

comment on column reporting.discount_codes.redemption_lost_rate is 'Lost orders / (recognised + lost orders) with the code (do not add up)';

create view reporting.discount_codes_by_month as
select
    t.order_month as order_month,
    t.source_system as source,
    t.source_account as source_account,
    t.currency_code as currency,
    t.discount_code as discount_code,
    t.orders_recognised as orders_recognised,
    t.discount_amount as discount,
    t.basis_amount as basis,
    t.discount_rate as discount_rate,
    t.avg_discount_amount as average_discount,
    t.net_sales_amount as net_sales,
    t.customers as customers,
    t.first_used_date as first_used_date,
    t.last_used_date as last_used_date,
    t.new_customer_orders as new_customer_orders,
    t.aov_net_sales as average_order_value,
    t.orders_lost as orders_lost,
    t.discount_amount_lost as discount_lost,
    t.redemption_lost_rate as redemption_lost_rate
from marts.discount_by_code_monthly as t;

comment on view reporting.discount_codes_by_month is 'Discount codes by month';

comment on column reporting.discount_codes_by_month.order_month is 'First day of the month of the order date';

comment on column reporting.discount_codes_by_month.source is 'scalev or ktsp';

comment on column reporting.discount_codes_by_month.source_account is 'Scalev store_id: the scope of the code';

comment on column reporting.discount_codes_by_month.currency is 'ISO 4217';

comment on column reporting.discount_codes_by_month.discount_code is 'Code, trimmed, upper case';

comment on column reporting.discount_codes_by_month.orders_recognised is 'Recognised orders with the code';

comment on column reporting.discount_codes_by_month.discount is 'Discount of the code over recognised orders';

comment on column reporting.discount_codes_by_month.basis is 'What the discount was taken from, over the same orders';

comment on column reporting.discount_codes_by_month.discount_rate is 'Discount / basis (do not add up)';

comment on column reporting.discount_codes_by_month.average_discount is 'Discount / recognised orders with the code (do not add up)';

comment on column reporting.discount_codes_by_month.net_sales is 'Net sales of the recognised orders with the code';

comment on column reporting.discount_codes_by_month.customers is 'Customers with such an order (do not add up)';

comment on column reporting.discount_codes_by_month.first_used_date is 'Order date of the first recognised order with the code';

comment on column reporting.discount_codes_by_month.last_used_date is 'Order date of the last recognised order with the code';

comment on column reporting.discount_codes_by_month.new_customer_orders is 'Recognised orders with the code that are a customer''s first';

comment on column reporting.discount_codes_by_month.average_order_value is 'Average order value: net sales / recognised orders (do not add up)';

comment on column reporting.discount_codes_by_month.orders_lost is 'Lost orders with the code';

comment on column reporting.discount_codes_by_month.discount_lost is 'Discount of the code on lost orders';

comment on column reporting.discount_codes_by_month.redemption_lost_rate is 'Lost orders / (recognised + lost orders) with the code (do not add up)';

create view reporting.customer_totals as
select
    t.source_system as source,
    t.customer_key as customer_key,
    t.currency_code as currency,
    t.orders_placed as orders_placed,
    t.orders_recognised as orders_recognised,
    t.orders_lost as orders_lost,
    t.first_order_date as first_order_date,
    t.last_order_date as last_order_date,
    t.cohort_month as cohort_month,
    t.lifetime_net_sales as lifetime_net_sales,
    t.lifetime_payment as lifetime_payment,
    t.lifetime_discount as lifetime_discount,
    t.aov_net_sales as average_order_value,
    t.recency_days as recency_days,
    t.tenure_days as tenure_days,
    t.avg_days_between_orders as average_days_between_orders,
    t.is_repeat as is_repeat,
    t.distinct_stores as distinct_stores
from marts.customer_summary as t;

comment on view reporting.customer_totals is 'One row per customer and currency with a placed order; ages are taken at ops.as_of';

comment on column reporting.customer_totals.source is 'scalev or ktsp';

comment on column reporting.customer_totals.customer_key is 'Customer or member, as a pseudonym';

comment on column reporting.customer_totals.currency is 'ISO 4217';

comment on column reporting.customer_totals.orders_placed is 'Orders placed: recognised + open + lost';

comment on column reporting.customer_totals.orders_recognised is 'Orders that count as revenue';

comment on column reporting.customer_totals.orders_lost is 'Orders canceled, returned to sender, or closed unpaid';

comment on column reporting.customer_totals.first_order_date is 'Order date of the first recognised order';

comment on column reporting.customer_totals.last_order_date is 'Order date of the last recognised order';

comment on column reporting.customer_totals.cohort_month is 'First day of the month of the first recognised order';

comment on column reporting.customer_totals.lifetime_net_sales is 'Net sales of the recognised orders; history, not a prediction';

comment on column reporting.customer_totals.lifetime_payment is 'Payment of the recognised orders';

comment on column reporting.customer_totals.lifetime_discount is 'Discounts of the recognised orders';

comment on column reporting.customer_totals.average_order_value is 'Average order value: net sales / recognised orders (do not add up)';

comment on column reporting.customer_totals.recency_days is 'as_of_date - last recognised order (do not add up)';

comment on column reporting.customer_totals.tenure_days is 'Last - first recognised order (do not add up)';

comment on column reporting.customer_totals.average_days_between_orders is 'Tenure / (recognised orders - 1); NULL below two orders (do not add up)';

comment on column reporting.customer_totals.is_repeat is 'At least two recognised orders';

comment on column reporting.customer_totals.distinct_stores is 'Stores with a recognised order (do not add up)';

create view reporting.repeat_customers as
select
    t.source_system as source,
    t.currency_code as currency,
    t.customers as customers,
    t.repeat_customers as repeat_customers,
    t.repeat_rate as repeat_rate
from marts.repeat_rate as t;

comment on view reporting.repeat_customers is 'How many customers bought again, per source and currency';

comment on column reporting.repeat_customers.source is 'scalev or ktsp';

comment on column reporting.repeat_customers.currency is 'ISO 4217';

comment on column reporting.repeat_customers.customers is 'Customers with a recognised order';

comment on column reporting.repeat_customers.repeat_customers is 'Customers with at least two recognised orders';

comment on column reporting.repeat_customers.repeat_rate is 'Customers with two orders / customers with one (do not add up)';

create view reporting.cohorts_by_month as
select
    t.source_system as source,
    t.currency_code as currency,
    t.cohort_month as cohort_month,
    t.month_number as month_number,
    t.cohort_size as cohort_size,
    t.active_customers as active_customers,
    t.orders as orders,
    t.net_sales_amount as net_sales,
    t.cumulative_net_sales as cumulative_net_sales,
    t.retention_rate as retention_rate,
    t.ltv_to_date as lifetime_value_to_date
from marts.customer_cohort_monthly as t;

comment on view reporting.cohorts_by_month is 'Cohorts of customers by month of their first recognised order; months without orders are rows of zeros';

comment on column reporting.cohorts_by_month.source is 'scalev or ktsp';

comment on column reporting.cohorts_by_month.currency is 'ISO 4217';

comment on column reporting.cohorts_by_month.cohort_month is 'First day of the month of a customer''s first recognised order';

comment on column reporting.cohorts_by_month.month_number is 'Months since the cohort''s, from 0 to the month of ops.as_of';

comment on column reporting.cohorts_by_month.cohort_size is 'Customers whose first recognised order is in the cohort''s month (do not add up)';

comment on column reporting.cohorts_by_month.active_customers is 'Customers of the cohort with a recognised order in the month (do not add up)';

comment on column reporting.cohorts_by_month.orders is 'Recognised orders of the cohort in the month';

comment on column reporting.cohorts_by_month.net_sales is 'Net sales of these orders';

comment on column reporting.cohorts_by_month.cumulative_net_sales is 'Net sales of the cohort from month 0 up to the month (do not add up)';

comment on column reporting.cohorts_by_month.retention_rate is 'Active customers / cohort size (do not add up)';

comment on column reporting.cohorts_by_month.lifetime_value_to_date is 'Cumulative net sales / cohort size (do not add up)';

create view reporting.products_by_day as
select
    t.order_date as order_date,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.product_key as product_key,
    t.sku as sku,
    t.product_name as product_name,
    t.orders as orders,
    t.units as units,
    t.gross_amount as gross,
    t.discount_amount as discount,
    t.net_sales_amount as net_sales,
    t.avg_unit_price as average_unit_price,
    t.units_rts as units_returned,
    t.rts_unit_rate as unit_return_rate
from marts.product_daily as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.products_by_day is 'Products by order date, store and line currency';

comment on column reporting.products_by_day.order_date is 'Local date of the order in the store''s zone';

comment on column reporting.products_by_day.store_key is 'Store';

comment on column reporting.products_by_day.store is 'Name of the store or programme';

comment on column reporting.products_by_day.currency is 'Currency of the line, ISO 4217';

comment on column reporting.products_by_day.product_key is 'ACCOUNT|VARIANT, else ACCOUNT|sku:SKU, else ACCOUNT|name:SHA256';

comment on column reporting.products_by_day.sku is 'Latest SKU of the product in the group';

comment on column reporting.products_by_day.product_name is 'Latest name of the product in the group';

comment on column reporting.products_by_day.orders is 'Recognised orders with the product';

comment on column reporting.products_by_day.units is 'Units in recognised orders';

comment on column reporting.products_by_day.gross is 'Lines before discounts';

comment on column reporting.products_by_day.discount is 'Gross less net: the lines'' own discounts and their share of the order''s';

comment on column reporting.products_by_day.net_sales is 'Net sales of the lines';

comment on column reporting.products_by_day.average_unit_price is 'Gross / units (do not add up)';

comment on column reporting.products_by_day.units_returned is 'Units in orders returned to sender';

comment on column reporting.products_by_day.unit_return_rate is 'Units returned / (units recognised + returned) (do not add up)';

create view reporting.products_by_month as
select
    t.order_month as order_month,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.product_key as product_key,
    t.sku as sku,
    t.product_name as product_name,
    t.orders as orders,
    t.units as units,
    t.gross_amount as gross,
    t.discount_amount as discount,
    t.net_sales_amount as net_sales,
    t.avg_unit_price as average_unit_price,
    t.units_rts as units_returned,
    t.rts_unit_rate as unit_return_rate
from marts.product_monthly as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.products_by_month is 'Products by month, store and line currency';

comment on column reporting.products_by_month.order_month is 'First day of the month of the order date';

comment on column reporting.products_by_month.store_key is 'Store';

comment on column reporting.products_by_month.store is 'Name of the store or programme';

comment on column reporting.products_by_month.currency is 'Currency of the line, ISO 4217';

comment on column reporting.products_by_month.product_key is 'ACCOUNT|VARIANT, else ACCOUNT|sku:SKU, else ACCOUNT|name:SHA256';

comment on column reporting.products_by_month.sku is 'Latest SKU of the product in the group';

comment on column reporting.products_by_month.product_name is 'Latest name of the product in the group';

comment on column reporting.products_by_month.orders is 'Recognised orders with the product';

comment on column reporting.products_by_month.units is 'Units in recognised orders';

comment on column reporting.products_by_month.gross is 'Lines before discounts';

comment on column reporting.products_by_month.discount is 'Gross less net: the lines'' own discounts and their share of the order''s';

comment on column reporting.products_by_month.net_sales is 'Net sales of the lines';

comment on column reporting.products_by_month.average_unit_price is 'Gross / units (do not add up)';

comment on column reporting.products_by_month.units_returned is 'Units in orders returned to sender';

comment on column reporting.products_by_month.unit_return_rate is 'Units returned / (units recognised + returned) (do not add up)';

create view reporting.durations_by_month as
select
    t.order_month as order_month,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.step as step,
    t.payment_family as payment_family,
    t.orders_measured as orders_measured,
    t.orders_negative as orders_negative,
    t.orders_missing as orders_missing,
    t.orders_over_90d as orders_over_90d,
    t.p50_seconds as median_seconds,
    t.p90_seconds as percentile_90_seconds,
    t.p95_seconds as percentile_95_seconds,
    t.mean_seconds as mean_seconds,
    t.coverage as coverage
from marts.lifecycle_monthly as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.durations_by_month is 'How long orders of a month took from status to status; KTSP reports none';

comment on column reporting.durations_by_month.order_month is 'First day of the month of the order date';

comment on column reporting.durations_by_month.store_key is 'Store';

comment on column reporting.durations_by_month.store is 'Name of the store or programme';

comment on column reporting.durations_by_month.step is 'From which to which status, e.g. pending_to_paid';

comment on column reporting.durations_by_month.payment_family is 'cod, non_cod, or all';

comment on column reporting.durations_by_month.orders_measured is 'Orders with both times of the step, in order';

comment on column reporting.durations_by_month.orders_negative is 'Orders whose step ends before it begins: left out of the durations';

comment on column reporting.durations_by_month.orders_missing is 'Orders whose present state implies the step''s end, but a time is missing or invalid';

comment on column reporting.durations_by_month.orders_over_90d is 'Measured orders that took more than 90 days';

comment on column reporting.durations_by_month.median_seconds is 'Median of the measured durations; compute it per group, never average it (do not add up)';

comment on column reporting.durations_by_month.percentile_90_seconds is '90th percentile of the measured durations; compute it per group, never average it (do not add up)';

comment on column reporting.durations_by_month.percentile_95_seconds is '95th percentile of the measured durations; compute it per group, never average it (do not add up)';

comment on column reporting.durations_by_month.mean_seconds is 'Mean of the measured durations (do not add up)';

comment on column reporting.durations_by_month.coverage is 'Measured / (measured + negative + missing); below 0.5 read durations with care (do not add up)';

create view reporting.order_states_by_month as
select
    t.order_month as order_month,
    t.store_key as store_key,
    coalesce(s.display_name, t.store_key) as store,
    t.currency_code as currency,
    t.order_state as order_state,
    t.orders as orders,
    t.payment_amount as payment
from marts.status_funnel_monthly as t
left join marts.dim_store as s on s.store_key = t.store_key;

comment on view reporting.order_states_by_month is 'Where the orders of a month are now: the backlog; orders deleted at the source are left out';

comment on column reporting.order_states_by_month.order_month is 'First day of the month of the order date';

comment on column reporting.order_states_by_month.store_key is 'Store';

comment on column reporting.order_states_by_month.store is 'Name of the store or programme';

comment on column reporting.order_states_by_month.currency is 'ISO 4217; XXX counts orders whose money is not reportable';

comment on column reporting.order_states_by_month.order_state is 'Canonical lifecycle state';

comment on column reporting.order_states_by_month.orders is 'Orders that are in the state now';

comment on column reporting.order_states_by_month.payment is 'What their buyers pay';

create view reporting.completeness as
select
    v.source as source,
    v.source_account as source_account,
    v.accounts as accounts,
    v.accounts_complete as accounts_complete,
    v.accounts_not_complete as accounts_not_complete,
    v.accounts_retired as accounts_retired,
    v.oldest_complete_at as oldest_complete_at,
    v.newest_complete_at as newest_complete_at
from (
-- Per store or programme: how the last finished crawl of each account ended, in numbers.
select
    a.source_system as source,
    a.source_account,
    count(*) filter (where a.state <> 'retired') as accounts,
    count(*) filter (where a.state <> 'retired' and l.status = 'complete') as accounts_complete,
    count(*) filter (where a.state <> 'retired' and l.status is distinct from 'complete') as accounts_not_complete,
    count(*) filter (where a.state = 'retired') as accounts_retired,
    min(c.complete_at) filter (where a.state <> 'retired') as oldest_complete_at,
    max(c.complete_at) filter (where a.state <> 'retired') as newest_complete_at
from ops.accounts as a
left join lateral (
    select status
    from ops.crawls
    where source_system = a.source_system and partition_key = a.partition_key and finished_at is not null
    order by crawl_id desc
    limit 1
) as l on true
left join lateral (
    select finished_at as complete_at
    from ops.crawls
    where source_system = a.source_system and partition_key = a.partition_key and status = 'complete'
    order by crawl_id desc
    limit 1
) as c on true
group by a.source_system, a.source_account
) as v;

comment on view reporting.completeness is 'How many accounts of each store or programme are known to be complete: read it before the numbers';

comment on column reporting.completeness.source is 'scalev or ktsp';

comment on column reporting.completeness.source_account is 'Scalev store_id or KTSP programme';

comment on column reporting.completeness.accounts is 'Accounts that are crawled: customers or members';

comment on column reporting.completeness.accounts_complete is 'Accounts whose last crawl saw everything';

comment on column reporting.completeness.accounts_not_complete is 'Accounts whose last crawl did not, or that were never crawled';

comment on column reporting.completeness.accounts_retired is 'Accounts that are no longer crawled; their orders stay';

comment on column reporting.completeness.oldest_complete_at is 'When the account that waits longest was last complete (UTC)';

comment on column reporting.completeness.newest_complete_at is 'When an account was last complete (UTC)';

create view reporting.restatements as
select
    v.restatement_id as restatement_id,
    v.detected_at as detected_at,
    v.order_month as order_month,
    v.source as source,
    v.store_key as store_key,
    v.store as store,
    v.currency as currency,
    v.metric as metric,
    v.old_value as old_value,
    v.new_value as new_value,
    v.difference as difference,
    v.orders as orders
from (
-- Each change of a published sum, with the store's name. Amounts keep numeric(20,4).
select
    r.restatement_id,
    r.detected_at,
    r.period as order_month,
    r.source_system as source,
    r.store_key,
    coalesce(s.display_name, r.store_key) as store,
    r.currency_code as currency,
    r.metric,
    r.old_value,
    r.new_value,
    (r.new_value - r.old_value)::numeric(20, 4) as difference,
    r.order_count as orders
from ops.restatements as r
left join marts.dim_store as s on s.store_key = r.store_key
) as v;

comment on view reporting.restatements is 'Published months that changed afterwards, by how much, and by how many orders';

comment on column reporting.restatements.restatement_id is 'Grows with each change';

comment on column reporting.restatements.detected_at is 'When the numbers changed (UTC)';

comment on column reporting.restatements.order_month is 'First day of the month whose sum changed';

comment on column reporting.restatements.source is 'scalev or ktsp';

comment on column reporting.restatements.store_key is 'Store';

comment on column reporting.restatements.store is 'Name of the store or programme';

comment on column reporting.restatements.currency is 'ISO 4217';

comment on column reporting.restatements.metric is 'Which sum changed: net_sales_amount, payment_amount, discount_amount or orders_recognised';

comment on column reporting.restatements.old_value is 'Sum of the month before; an amount in currency, or a number of orders';

comment on column reporting.restatements.new_value is 'Sum of the month after';

comment on column reporting.restatements.difference is 'New less old';

comment on column reporting.restatements.orders is 'How many orders did it';

-- No column of schema marts is one for personal data or for links that open an order, and no text from the source
-- looks like an e-mail address, a telephone number or such a link. Numbers of goods are long too, so only free text
-- is searched for telephone numbers. What was found is never shown, only where. `like` comes first: it costs a tenth of
-- a pattern, and few texts have what the pattern cannot be without.
with texts as (
    select
        order_key,
        concat_ws(
            ' ', source_status, source_payment_status, source_shipment_status, source_awb_status, payment_method,
            sub_payment_method, courier_code, courier_service_code, ship_province, ship_city, discount_code,
            discount_code_applied_to, other_income_name, src_discount_rate
        ) as words,
        concat_ws(' ', source_order_id, source_order_uuid) as numbers
    from marts.order_facts
    union all
    select
        order_key,
        concat_ws(' ', product_name, option1, option2, option3, item_type, pricing_type, billing_interval),
        concat_ws(' ', product_key, sku, source_line_id)
    from marts.order_line_facts
    union all
    select order_key, concat_ws(' ', discount_code, discount_code_raw, applied_to), '' from marts.discount_facts
    union all
    select order_key, concat_ws(' ', status, actor_kind), '' from marts.order_status_events
    union all
    select store_key, concat_ws(' ', display_name, name_en, name_sc, name_tc), '' from marts.dim_store
    union all
    select customer_key, source_status, '' from marts.dim_customer
)

select order_key
from texts
where
    (
        words || ' ' || numbers like any (array['%@%', '%://%'])
        and words || ' ' || numbers ~* '[^\s@]+@[^\s@]+\.[a-z]{2,}|https?://\S*(secret|order|pay|invoice|checkout)'
    )
    or (
        words like any (array['%+%', '%8%'])
        and words ~ '\+[1-9]\d[\d -]{7,}\d|(^|\D)(62|0)8[1-9]\d{7,9}(\D|$)'
    )
group by order_key
union all
select c.table_name || '.' || c.column_name
from information_schema.columns as c
where
    c.table_schema = 'marts' and c.column_name !~ '_hmac$'
    and c.column_name ~ (
        '(^|_)(email|e_mail|phone|mobile|whatsapp|address|postal|postcode|zip|notes?|secret|slug|url|holder'
        || '|account_number|birth|birthday|recipient|latitude|longitude|transferproof|pg_payment_info)(_|$)'
        || '|^(customer|member|first|last|full|handler|courier)_name$|^(name|by|actor|actor_name)$'
    )

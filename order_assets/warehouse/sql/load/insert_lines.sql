-- Lines of changed orders, from the version that was accepted.
insert into marts.order_line_facts
    (order_key, line_number, source_line_id, product_key, variant_id, sku, product_name, option1, option2, option3,
     item_type, pricing_type, billing_interval, billing_interval_count, is_digital, currency_code, currency_source,
     quantity, unit_price_amount, line_gross_amount, line_discount_amount, line_code_discount_amount,
     alloc_header_discount_amount, line_net_sales_amount, line_basis, weight)
select
    s.order_key, s.line_number, s.source_line_id, s.product_key, s.variant_id, s.sku, s.product_name, s.option1,
    s.option2, s.option3, s.item_type, s.pricing_type, s.billing_interval, s.billing_interval_count, s.is_digital,
    s.currency_code, s.currency_source, s.quantity, s.unit_price_amount, s.line_gross_amount, s.line_discount_amount,
    s.line_code_discount_amount, s.alloc_header_discount_amount, s.line_net_sales_amount, s.line_basis, s.weight
from stage_lines as s
inner join changed_orders as c on c.order_key = s.order_key
inner join accepted_orders as a
    on a.order_key = s.order_key and a.crawl_id = s.crawl_id and a.page_number = s.page_number
    and a.position = s.position

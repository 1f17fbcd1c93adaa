-- Discounts of changed orders, whole.
with gone as (
    delete from marts.discount_facts as d using changed_orders as c where d.order_key = c.order_key
)

insert into marts.discount_facts
    (order_key, discount_kind, discount_class, discount_code, discount_code_raw, applied_to, currency_code, amount,
     basis_amount)
select
    s.order_key, s.discount_kind, s.discount_class, s.discount_code, s.discount_code_raw, s.applied_to,
    s.currency_code, s.amount, s.basis_amount
from stage_discounts as s
inner join changed_orders as c on c.order_key = s.order_key
inner join accepted_orders as a
    on a.order_key = s.order_key and a.crawl_id = s.crawl_id and a.page_number = s.page_number
    and a.position = s.position
on conflict (order_key, discount_kind) do update set
    discount_class = excluded.discount_class, discount_code = excluded.discount_code,
    discount_code_raw = excluded.discount_code_raw, applied_to = excluded.applied_to,
    currency_code = excluded.currency_code, amount = excluded.amount, basis_amount = excluded.basis_amount

-- Lines of changed orders, whole; insert_lines puts back what the new version has.
delete from marts.order_line_facts as l
using changed_orders as c
where l.order_key = c.order_key

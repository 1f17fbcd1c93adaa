-- Orders of a person who is forgotten, noted as gone by a crawl of another account of theirs.
delete from ops.vanished_orders where order_key = any(cast(:order_keys as text []))

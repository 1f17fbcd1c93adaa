-- The source names the currency of an order.
select order_key from marts.order_facts where currency_source = 'store_default'

-- What is completed was paid, or is paid on delivery.
select order_key from marts.order_facts where anomaly_codes @> array['completed_unpaid']

-- The parts of an order explain its payment. Fees that the source does not report leave a positive rest.
select order_key from marts.order_facts where residual_amount <> 0

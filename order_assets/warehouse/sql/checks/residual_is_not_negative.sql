-- No buyer pays less than the parts of the order add up to.
select order_key from marts.order_facts where residual_amount < 0

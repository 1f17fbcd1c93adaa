-- No KTSP order is in the lists of two members.
select order_key from marts.order_facts where anomaly_codes @> array['member_conflict']

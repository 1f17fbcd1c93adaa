-- KTSP knows every configured member (it answers 4100 where it does not).
select partition_key as order_key from ops.accounts where source_system = 'ktsp' and state = 'not_found'

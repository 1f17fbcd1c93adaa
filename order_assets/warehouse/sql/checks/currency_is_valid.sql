-- A currency is three letters, and money is never in no currency.
select order_key
from marts.order_facts
where currency_code !~ '^[A-Z]{3}$' or (is_money_reportable and currency_code = 'XXX')

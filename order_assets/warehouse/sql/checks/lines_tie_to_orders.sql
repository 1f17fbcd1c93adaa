-- The lines of an order add up to its net sales, where the source's own lines add up to its header.
select l.order_key
from marts.order_line_facts as l
inner join marts.order_facts as f on f.order_key = l.order_key
where f.is_money_reportable and f.currency_source <> 'mixed'
group by l.order_key, f.net_sales_amount
having bool_and(l.line_basis <> 'unreconciled') and sum(l.line_net_sales_amount) <> f.net_sales_amount

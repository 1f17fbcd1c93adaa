-- No KTSP order comes from an answer that was an error: such a page has no readable orders.
select l.order_key
from ops.order_lineage as l
inner join raw.order_pages as p on p.crawl_id = l.crawl_id and p.page_number = l.page_number
where l.source_system = 'ktsp' and (p.http_status <> 200 or p.items is null)

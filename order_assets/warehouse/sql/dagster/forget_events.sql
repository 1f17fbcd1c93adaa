-- Events of their partitions: each crawl with its numbers.
delete from dagster.event_logs where partition = any(cast(:keys as text []))

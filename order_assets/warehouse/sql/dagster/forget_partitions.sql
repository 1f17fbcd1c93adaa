-- Partitions of people who are forgotten.
delete from dagster.dynamic_partitions where partition = any(cast(:keys as text []))

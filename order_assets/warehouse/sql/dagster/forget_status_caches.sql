-- Which partitions of an asset are green; Dagster works it out again.
update dagster.asset_keys set cached_status_data = null
where exists (select from unnest(cast(:keys as text [])) as k (key) where strpos(cached_status_data, k.key) > 0)

-- Names follow the source; a page without a name keeps the one we know.
insert into marts.dim_store as d
    (store_key, source_system, source_store_id, display_name, name_en, name_sc, name_tc, time_zone, default_currency,
     first_seen_at, last_seen_at)
select distinct on (store_key)
    store_key, source_system, source_store_id, display_name, name_en, name_sc, name_tc, time_zone, default_currency,
    fetched_at, fetched_at
from stage_stores
order by store_key, fetched_at desc
on conflict (store_key) do update set
    display_name = coalesce(
        excluded.name_en, d.name_en, excluded.name_tc, d.name_tc, excluded.name_sc, d.name_sc,
        nullif(excluded.display_name, excluded.source_store_id), d.display_name
    ),
    name_en = coalesce(excluded.name_en, d.name_en),
    name_sc = coalesce(excluded.name_sc, d.name_sc),
    name_tc = coalesce(excluded.name_tc, d.name_tc),
    time_zone = excluded.time_zone,
    default_currency = excluded.default_currency,
    last_seen_at = excluded.last_seen_at
where
    excluded.last_seen_at > d.last_seen_at
    and (
        (excluded.display_name <> excluded.source_store_id and excluded.display_name <> d.display_name)
        or (excluded.name_en is not null and excluded.name_en is distinct from d.name_en)
        or (excluded.name_sc is not null and excluded.name_sc is distinct from d.name_sc)
        or (excluded.name_tc is not null and excluded.name_tc is distinct from d.name_tc)
        or (excluded.time_zone, excluded.default_currency) is distinct from (d.time_zone, d.default_currency)
    )

-- Of the customers who first bought in a month, how many buy again 1, 3 and 6 months later, and what are they worth?
select
    source,
    currency,
    cohort_month,
    max(cohort_size) as customers,
    max(retention_rate) filter (where month_number = 1) as retention_month_1,
    max(retention_rate) filter (where month_number = 3) as retention_month_3,
    max(retention_rate) filter (where month_number = 6) as retention_month_6,
    max(lifetime_value_to_date) filter (where month_number = 0) as value_month_0,
    max(lifetime_value_to_date) filter (where month_number = 6) as value_month_6
from reporting.cohorts_by_month
group by source, currency, cohort_month
order by source, currency, cohort_month;

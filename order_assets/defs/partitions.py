"""The three ways the work is divided: customers, members, months."""

import dagster as dg

SCALEV_CUSTOMERS = dg.DynamicPartitionsDefinition(name="scalev_customers")
KTSP_MEMBERS = dg.DynamicPartitionsDefinition(name="ktsp_members")

# A valid order time begins with the year 2000 in UTC, which is still 1999 west of Greenwich; an order may be dated
# up to a day after it was fetched, which may be next month. So no order falls outside of a partition.
MONTHS = dg.MonthlyPartitionsDefinition(start_date="1999-12-01", end_offset=2)

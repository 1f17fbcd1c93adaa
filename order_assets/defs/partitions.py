"""The ways the work is divided: customers, members, months; and the assets that hold the pages of accounts."""

import dagster as dg

from order_assets.settings import SourceSystem

SCALEV_CUSTOMERS = dg.DynamicPartitionsDefinition(name="scalev_customers")
KTSP_MEMBERS = dg.DynamicPartitionsDefinition(name="ktsp_members")
ACCOUNTS: dict[SourceSystem, dg.DynamicPartitionsDefinition] = {"scalev": SCALEV_CUSTOMERS, "ktsp": KTSP_MEMBERS}
"""One partition per account, by source."""

# A valid order time begins with the year 2000 in UTC, which is still 1999 west of Greenwich; an order may be dated
# up to a day after it was fetched, which may be next month. So no order falls outside of a partition.
MONTHS = dg.MonthlyPartitionsDefinition(start_date="1999-12-01", end_offset=2)


def pages_of(source_system: str) -> dg.AssetKey:
    """Return the key of the asset that holds a source's raw pages."""
    return dg.AssetKey(["raw", f"{source_system}_order_pages"])

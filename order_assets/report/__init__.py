"""Pictures of the summaries and of the accounts, and previews of the tables: for the Dagster UI and for a report.

`data` has what a picture shows, as small typed objects, and the queries that fill them. `plots` makes pictures of
them, one pure function each; `drawing` is how all of them look, and what makes text in them inert. `glance` is a
picture of a few hundred bytes, for places that show nothing larger without a click. `previews` are a few rows of each
table, none of them about one person. `location` says where the report is, if there is one.
"""

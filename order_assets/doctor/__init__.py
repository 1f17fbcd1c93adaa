"""What `order-assets doctor` looks at: each likely problem, told with its remedy.

It mends nothing; to look, it may start the embedded server and open Dagster's storage, as any command does.
`place`: configuration and machine. `database`: the server, its schema, what the ledger says. `network`: the APIs. Each
check returns findings and never raises for what it looks for. What is printed is in `cli_doctor`.
"""

"""What `order-assets doctor` looks at: each likely problem, told with its remedy. It looks and changes nothing.

`place`: configuration and machine. `database`: the server, its schema, what the ledger says. `network`: the APIs. Each
check returns findings and never raises for what it looks for. What is printed is in `cli_doctor`.
"""

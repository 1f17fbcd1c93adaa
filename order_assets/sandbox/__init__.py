"""The Scalev and KTSP APIs as one local server with seeded, believable data and switchable faults.

An honest peer: nothing in here imports the clients, the domain or the warehouse, so a shared misreading
of the APIs cannot hide. Nothing outside `order_assets.cli` and the tests may import from here.
"""

"""Asset checks over the statements of warehouse.checks."""

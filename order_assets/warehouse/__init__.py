"""PostgreSQL and nothing else: the embedded server, connections, schema, loading and the metrics registry."""

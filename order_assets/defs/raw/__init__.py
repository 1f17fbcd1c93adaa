"""Raw pages: one asset per API, one partition per account."""

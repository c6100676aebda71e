"""A run: the checked plan; producers, streams and consumers; the report."""

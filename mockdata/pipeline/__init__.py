"""How a run goes: what is asked for, checked; producers, streams and consumers; the report."""

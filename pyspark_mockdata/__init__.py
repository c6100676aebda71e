"""Where Spark finds ``format("mockdata")`` by itself: it looks into packages of such a name."""

from contextlib import suppress

with suppress(ImportError):  # else no other data source in Python could be used here
    from mockdata.spark import MockDataSource as DefaultSource

__all__ = ["DefaultSource"]

"""Parquet files, encoded by the workers."""

from mockdata.sinks.parquet.sink import ParquetSink

__all__ = ["ParquetSink"]

"""The energy-aware benchmark: ingest of the released files, and DuckDB views over Parquet."""

from ecnas_core.benchmark.official import EPOCHS
from ecnas_core.benchmark.store import Benchmark, Entry, UnknownCell, UnknownEpochs, UnknownSpace

__all__ = ["EPOCHS", "Benchmark", "Entry", "UnknownCell", "UnknownEpochs", "UnknownSpace"]

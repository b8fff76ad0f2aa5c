"""The energy-aware benchmark of neural architectures: library and command line."""

from ecnas_core.benchmark import Benchmark
from ecnas_core.cells import Cell

__version__ = "0.1.0"
__all__ = ["Benchmark", "Cell", "__version__"]

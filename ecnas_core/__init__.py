"""The energy-aware benchmark of neural architectures: library and command line."""

from typing import TYPE_CHECKING, Any

from ecnas_core.cells import Cell

if TYPE_CHECKING:
    from ecnas_core.benchmark import Benchmark

__version__ = "0.1.0"
__all__ = ["Benchmark", "Cell", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the benchmark when it is first asked for: a process that measures a cell needs no database."""
    if name == "Benchmark":
        from ecnas_core.benchmark import Benchmark

        return Benchmark
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

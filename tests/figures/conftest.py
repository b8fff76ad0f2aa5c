"""The benchmark without most cells of 7V."""

from tests.bundle import few, small

__all__ = ["few", "small"]

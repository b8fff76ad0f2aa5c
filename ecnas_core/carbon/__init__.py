"""Scope, PUE and carbon intensity: what an energy figure includes and what it emits."""

from ecnas_core.carbon.intensity import Grid, UnknownGrid, grid, grids
from ecnas_core.carbon.lens import SCOPES, UNITS, InvalidLens, Lens, Scope, Unit

__all__ = ["SCOPES", "UNITS", "Grid", "InvalidLens", "Lens", "Scope", "Unit", "UnknownGrid", "grid", "grids"]

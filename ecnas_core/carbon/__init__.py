"""Scope, PUE and carbon intensity: what an energy figure includes and what it emits."""

from ecnas_core.carbon.intensity import Grid, UnknownGrid, grid, grids
from ecnas_core.carbon.lens import SCOPES, UNITS, Lens, Scope, Unit

__all__ = ["SCOPES", "UNITS", "Grid", "Lens", "Scope", "Unit", "UnknownGrid", "grid", "grids"]

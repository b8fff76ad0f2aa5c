"""The alphabet and the limits of NAS-Bench-101, and the three search spaces of EC-NAS-Bench."""

from __future__ import annotations

from typing import Final, Literal

Space = Literal["4V", "5V", "7V"]

INPUT: Final = "input"
OUTPUT: Final = "output"
OPERATIONS: Final = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
MAX_VERTICES: Final = 7
MAX_EDGES: Final = 9
SPACES: Final[dict[Space, int]] = {"4V": 4, "5V": 5, "7V": 7}


def smallest_space(vertices: int) -> Space:
    """Return the smallest space that holds cells of so many vertices (2..7)."""
    return next(space for space, limit in SPACES.items() if vertices <= limit)

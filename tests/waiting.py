"""Waiting for what another process or thread does."""

from __future__ import annotations

import time
from collections.abc import Callable

BOUND_S = 120.0  # against hanging for ever; nothing is expected to take so long


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; fail if it never does."""
    bound = time.monotonic() + BOUND_S
    while not holds():
        assert time.monotonic() < bound, f"it does not hold after {BOUND_S:.0f} s"
        time.sleep(0.02)

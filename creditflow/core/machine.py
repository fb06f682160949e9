"""How much this machine has to do beside the run."""

from __future__ import annotations

import psutil

IDLE_S = 0.5
"""How long `idle_cores` looks, in seconds."""

ROOM = 0.5
"""Cores that must have nothing to do beside a measurement, so that a slow answer is the product's fault."""


def idle_cores() -> float:
    """Return how many cores of this machine have nothing to do, measured for `IDLE_S`."""
    return (100 - psutil.cpu_percent(IDLE_S)) / 100 * (psutil.cpu_count() or 1)

"""The garbage collector of a process that does nothing but run disasters.

A run leaves a few hundred objects in cycles and thousands that die by themselves; searched for them
every time, a run takes a tenth longer.
"""

import gc
from typing import Final

__all__ = ["collect_seldom"]

SELDOM: Final = 50_000
"""So many new objects, not yet gone by themselves, start a search: those of some 70 runs."""


def collect_seldom() -> None:
    """Search seldom, and never again through what is there now: modules, which stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM)

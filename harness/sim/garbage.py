"""The garbage collector of a process that does nothing but run disasters.

A run leaves a few objects in cycles, and thousands that die by themselves. What stays is not only
searched for: the next run is then written to other, cold memory, which costs up to a fifth of it.
"""

import gc
from typing import Final

__all__ = ["collect_seldom"]

SELDOM: Final = 5_000
"""So many new objects, not yet gone by themselves, start a search: those of some hundred runs."""


def collect_seldom() -> None:
    """Search seldom, and never again through what is there now: modules, which stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM)

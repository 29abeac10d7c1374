"""Every planted bug, by name: the modules that define them enter them here by being imported."""

from harness.mutants import (
    acknowledging,
    content,
    fencing,
    ordering,
    recovery,
    resizing,
    standing,
)
from harness.mutants.mutant import CATALOGUE

__all__ = ["CATALOGUE", "THEMES"]

THEMES = (acknowledging, content, fencing, ordering, recovery, resizing, standing)
"""Where they are defined."""

"""Measuring two sides in turn, and what their figures are worth: median ratio and own spread. Pure.

A ratio is the median over pairs of runs that followed each other, so that a slow drift of the
machine touches both sides alike. Beside it stands how far a side differs from itself: a ratio that
is nearer to 1 than that says nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Final

__all__ = ["CLAIM_PAIRS_MIN", "SPREAD_SUFFIX", "Measurements", "interleave", "spread"]

CLAIM_PAIRS_MIN: Final = 9
"""With fewer pairs a ratio is a look, not a measurement."""

SPREAD_SUFFIX: Final = "_spread"

Side = Callable[[], float]
"""Runs one side once; returns its seconds, or its rate."""


def interleave(
    sides: Mapping[str, Side], rounds: int, after_round: Callable[[int], None] = lambda _: None
) -> dict[str, list[float]]:
    """Run all sides once a round, in the same order: A B A B; figures of each side, by name."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            found[name].append(side())
        after_round(number)
    return found


def spread(values: Sequence[float]) -> float:
    """How far a side differs from itself: (90th less 10th percentile) / median; 0 for one value."""
    if len(values) < 2:
        return 0.0
    tenths = quantiles(values, n=10, method="inclusive")
    return (tenths[-1] - tenths[0]) / median(values)


@dataclass(slots=True)
class Measurements:
    """What a bench found: `ratios` without units, `figures` whose names end with their unit."""

    ratios: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def add_ratio(self, name: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
        """Median of ours/theirs over the pairs; beside it the larger of the sides' own spreads."""
        pairs = zip(ours, theirs, strict=True)
        self.ratios[name] = _rounded(median(mine / other for mine, other in pairs))
        self.ratios[name + SPREAD_SUFFIX] = _rounded(max(spread(ours), spread(theirs)))

    def add_figure(self, name: str, values: Sequence[float]) -> None:
        """Median of a side's figures; `name` ends with the unit."""
        self.figures[name] = _rounded(median(values))

    def spreads(self) -> dict[str, float]:
        """Spread of each ratio, by the ratio's name."""
        return {
            name.removesuffix(SPREAD_SUFFIX): value
            for name, value in self.ratios.items()
            if name.endswith(SPREAD_SUFFIX)
        }


def _rounded(value: float) -> float:
    """Four significant digits, more would pretend; but whole numbers stay whole."""
    return float(round(value)) if abs(value) >= 1000 else float(f"{value:.4g}")

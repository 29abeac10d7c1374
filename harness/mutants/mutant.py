"""What a planted bug is: a named change of the engine's core that is there only while asked for.

A bug is a function that replaces attributes of the core's classes or modules through a `Planting`,
which puts everything back. Nothing of it is reachable unless `planted` is entered.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, Final

__all__ = ["CATALOGUE", "SPOILT", "Mutant", "Planting", "planted", "register"]


class Planting:
    """Attributes that are replaced now, and what was there before."""

    def __init__(self) -> None:
        self._undo: list[tuple[object, str, object]] = []

    def replace(self, owner: Any, name: str, value: object) -> None:
        """Put another attribute in the place of one that must exist there."""
        before = vars(owner)[name]
        self._undo.append((owner, name, before))
        setattr(owner, name, value)

    def undo(self) -> None:
        """Put everything back, the last first."""
        while self._undo:
            owner, name, before = self._undo.pop()
            setattr(owner, name, before)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug: `claim` is the one that must catch it, `meaning` one sentence on what is wrong.

    also: other claims that it breaks, in some disasters at least.
    """

    name: str
    claim: str
    meaning: str
    plant: Callable[[Planting], None]
    also: tuple[str, ...] = ()

    @property
    def claims(self) -> tuple[str, ...]:
        """All claims that it breaks."""
        return (self.claim, *self.also)


CATALOGUE: dict[str, Mutant] = {}
"""Every mutant by its name; filled by the modules that define them (catalogue.py)."""


SPOILT: Final = (
    "crash-consistent", "no-acked-loss", "rpo", "fenced", "resize-faithful", "points-honest",
    "status-honest", "live",
)  # fmt: skip
"""What else is broken where the blob gets other pages than the volume: it is no image of it, lacks
what was acknowledged, resizes among it, makes points of no image, is called protected, and never
becomes equal."""


def register(
    name: str, claim: str, also: tuple[str, ...] = ()
) -> Callable[[Callable[[Planting], None]], Callable[[Planting], None]]:
    """Enter a bug in the catalogue; its docstring is its meaning, `also` what else it breaks."""

    def enter(plant: Callable[[Planting], None]) -> Callable[[Planting], None]:
        assert name not in CATALOGUE, name
        meaning = " ".join((getdoc(plant) or "").split())
        others = tuple(other for other in also if other != claim)
        CATALOGUE[name] = Mutant(name, claim, meaning, plant, others)
        return plant

    return enter


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The engine's core has this bug within the block, in this process."""
    planting = Planting()
    try:
        mutant.plant(planting)
        yield
    finally:
        planting.undo()

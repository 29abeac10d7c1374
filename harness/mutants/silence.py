"""The other half of the kill matrix: where the checkers of a bug's claims are off, it is missed.

Were it caught all the same, another checker would see what it breaks, and a swarm that catches it
would say little about the checker that is meant to. So the swarm looks again at disasters that
showed the bug, with the checker of its claim off and all others on. What these say is counted
(`also_caught_by`): many bugs break more than one promise, and the catalogue says which (`also`).
With the checkers of all its claims off, nothing must be found; whatever is, is a discovery: a
claim that the catalogue does not know of, or a checker that is wrong.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from harness.explore.chunk import run_seed
from harness.explore.planting import find_bug, system_under_test
from harness.sim.system import System

__all__ = ["LOOKED_MAX", "LOOKED_MIN", "Silence", "look_without", "seeds_to_look_at"]

LOOKED_MIN: Final = 40
LOOKED_MAX: Final = 300
TIMES_MEDIAN: Final = 4
"""So many times as many disasters as catching the bug took are looked at."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """What a swarm says of a bug without the checker of its claim.

    looked: how many disasters it ran; also_caught_by: claim to how many of them had a finding under
    it; unexpected: findings that stay when the checkers of all the bug's claims are off.
    """

    looked: int
    also_caught_by: dict[str, int]
    unexpected: list[str]

    @property
    def missed(self) -> bool:
        """Whether the swarm without the bug's claims has missed it."""
        return not self.unexpected


def seeds_to_look_at(first: int, median: float, showed: Iterable[int]) -> list[int]:
    """Those that showed the bug, and the first ones of a swarm, four times as many as it took."""
    count = min(max(LOOKED_MIN, round(TIMES_MEDIAN * median)), LOOKED_MAX)
    return list(dict.fromkeys([*showed, *range(first, first + count)]))


def look_without(name: str, seeds: Sequence[int]) -> Silence:
    """Run the disasters without the bug's claim; those that say something without all of them."""
    mutant = find_bug(name)
    counts: dict[str, int] = {}
    unexpected = []
    with system_under_test(bug=name) as system:
        for seed in seeds:
            found = _claims(seed, system, (mutant.claim,))
            for claim in found:
                counts[claim] = counts.get(claim, 0) + 1
            if found:  # a checker more or less changes nothing about the run, nor about the others
                unexpected += [
                    f"seed {seed}: {claim}: {cause}"
                    for claim, cause in _claims(seed, system, mutant.claims).items()
                    if claim not in mutant.claims
                ]
    return Silence(
        looked=len(seeds),
        also_caught_by=dict(sorted(counts.items())),
        unexpected=unexpected,
    )


def _claims(seed: int, system: System, without: tuple[str, ...]) -> dict[str, str]:
    """Claims under which a disaster has a finding, each with the first cause."""
    claims: dict[str, str] = {}
    for finding in run_seed(seed, system, without).findings:
        claims.setdefault(finding.claim, finding.cause)
    return claims

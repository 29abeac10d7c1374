"""What a swarm has seen so far: merged from chunk reports in any order, the same in the end.

Sums do not depend on the order. Of several sightings of one cause the lowest seed stays, and the
one that is easiest to shrink. Digests are folded in the order of their seeds, so a late chunk holds
back those after it; memory is bounded by the number of chunks under way and of causes found.
"""

import hashlib
from collections.abc import Mapping

from harness.explore.chunk import DIGEST_BYTES, ChunkReport, Sighting

__all__ = ["Tally"]


class Tally:
    """Counts, findings by cause, and the digest of everything."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._waiting: dict[int, tuple[int, bytes]] = {}
        self._digest = hashlib.blake2b(digest_size=16)
        self._sightings: dict[tuple[str, str], Sighting] = {}
        self.exercised: dict[str, int] = {}
        self.fired: dict[str, int] = {}
        self.disasters = 0
        self.steps = 0
        self.store_requests = 0
        self.events = 0
        self.twice = 0
        self.dead: list[tuple[int, str]] = []

    @property
    def sightings(self) -> list[Sighting]:
        """One for each claim and cause, in the order of these."""
        return [self._sightings[key] for key in sorted(self._sightings)]

    @property
    def digest(self) -> str:
        """Of the traces of all disasters from the first on, without a gap."""
        return self._digest.hexdigest()

    def add(self, report: ChunkReport) -> None:
        """Take in the report of a chunk."""
        self.disasters += report.count
        self.steps += report.steps
        self.store_requests += report.store_requests
        self.events += report.events
        self.twice += report.twice
        _add(self.exercised, report.exercised)
        _add(self.fired, report.fired)
        for sighting in report.sightings:
            self._see(sighting)
        self._fold(report.first, report.count, report.digests)

    def add_dead(self, seed: int, reason: str) -> None:
        """Take in a disaster whose worker died each time it was run."""
        self.disasters += 1
        self.dead.append((seed, reason))
        self._fold(seed, 1, bytes(DIGEST_BYTES))

    def _see(self, sighting: Sighting) -> None:
        key = (sighting.claim, sighting.cause)
        known = self._sightings.get(key)
        self._sightings[key] = sighting if known is None else known.merged(sighting)

    def _fold(self, first: int, count: int, digests: bytes) -> None:
        self._waiting[first] = (count, digests)
        while self._next in self._waiting:
            count, digests = self._waiting.pop(self._next)
            self._digest.update(digests)
            self._next += count


def _add(into: dict[str, int], more: Mapping[str, int]) -> None:
    for name, times in more.items():
        into[name] = into.get(name, 0) + times

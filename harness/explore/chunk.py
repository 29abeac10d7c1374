"""A chunk of a swarm: consecutive seeds that one worker runs, and what it reports of them.

Disaster i of swarm S has the seed S * 10,000,000 + i, so a seed tells both when it is read. A chunk
is the unit of distribution and depends on no number of workers; so does, therefore, the digest.
"""

import hashlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import msgspec

from harness.checkers.catalogue import make_checkers
from harness.checkers.checker import Checker
from harness.explore.determinism import say_difference
from harness.explore.planting import system_under_test
from harness.sim.disaster import Outcome, run_disaster
from harness.sim.drawing import draw_schedule
from harness.sim.system import System

__all__ = ["SEEDS_PER_SWARM", "Chunk", "ChunkReport", "Hung", "Sighting", "run_chunk", "run_seed",
           "time_limit"]  # fmt: skip

SEEDS_PER_SWARM: Final = 10_000_000
TWICE_EVERY: Final = 20
"""One disaster in so many is run twice and the two are compared: 5 %."""
DIGEST_BYTES: Final = 8
HUNG_SECONDS: Final = 20.0
"""A disaster takes milliseconds; whatever takes so long does not end by itself."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Seeds `first` to `first + count - 1`: of which core, with which bug, without which claims."""

    first: int
    count: int
    core: str = ""
    bug: str = ""
    without: tuple[str, ...] = ()
    limit_s: float = HUNG_SECONDS

    def halves(self) -> tuple["Chunk", "Chunk"]:
        """The two halves of a chunk that has more than one seed."""
        half = self.count // 2
        return (
            msgspec.structs.replace(self, count=half),
            msgspec.structs.replace(self, first=self.first + half, count=self.count - half),
        )


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, by claim and cause: the first disaster that showed it, and the easiest to shrink.

    `weight` is the number of steps that the easiest had before its finding.
    """

    seed: int
    claim: str
    cause: str
    text: str
    easiest: int
    weight: int
    times: int = 1

    def merged(self, other: "Sighting") -> "Sighting":
        """What both have seen, whichever came first."""
        first = min(self, other, key=lambda one: one.seed)
        easy = min(self, other, key=lambda one: (one.weight, one.easiest))
        return msgspec.structs.replace(
            first, easiest=easy.easiest, weight=easy.weight, times=self.times + other.times
        )


class ChunkReport(msgspec.Struct, kw_only=True):
    """What a chunk of disasters showed; `digests` are those of its traces, one after the other."""

    first: int
    count: int
    digests: bytes
    exercised: dict[str, int]
    fired: dict[str, int]
    sightings: list[Sighting]
    steps: int
    store_requests: int
    events: int
    twice: int


def run_chunk(chunk: Chunk) -> ChunkReport:
    """Run the disasters of a chunk; a foreign core's misbehaviour is a finding, not an error."""
    with system_under_test(chunk.core, chunk.bug) as system:
        return _run_all(chunk, system)


def _run_all(chunk: Chunk, system: System) -> ChunkReport:
    report = ChunkReport(
        first=chunk.first, count=chunk.count, digests=b"", exercised={}, fired={}, sightings=[],
        steps=0, store_requests=0, events=0, twice=0,
    )  # fmt: skip
    digests = bytearray()
    for seed in range(chunk.first, chunk.first + chunk.count):
        outcome = run_seed(seed, system, chunk.without, chunk.limit_s)
        digests += hashlib.blake2b(str(outcome.digest).encode(), digest_size=DIGEST_BYTES).digest()
        _count(report, outcome)
        _see(report, seed, outcome)
        if seed % TWICE_EVERY == 0:
            report.twice += 1
            _compare(seed, system, chunk, outcome)
    report.digests = bytes(digests)
    return report


def run_seed(
    seed: int, system: System, without: tuple[str, ...] = (), limit_s: float = HUNG_SECONDS
) -> Outcome:
    """Run the disaster of one seed, and stop it if it does not end."""
    schedule = draw_schedule(seed)
    checkers: list[Checker] | None = make_checkers(without) if without else None
    with time_limit(seed, limit_s):
        return run_disaster(schedule, system, checkers)


class Hung(Exception):
    """A disaster did not end."""


@contextmanager
def time_limit(seed: int, limit_s: float = HUNG_SECONDS) -> Iterator[None]:
    """Raise `Hung` inside whatever runs for too long; only the main thread can be so guarded."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Hung(f"the disaster of seed {seed} did not end in {limit_s:g} s")

    try:
        before = signal.signal(signal.SIGALRM, stop)
    except ValueError:  # not the main thread: the workforce's own guard has to do
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _count(report: ChunkReport, outcome: Outcome) -> None:
    for claim, times in outcome.exercised.items():
        report.exercised[claim] = report.exercised.get(claim, 0) + times
    for fault, times in outcome.fired.items():
        report.fired[fault] = report.fired.get(fault, 0) + times
    report.steps += outcome.steps_effective
    report.store_requests += outcome.store_requests
    report.events += outcome.events


def _see(report: ChunkReport, seed: int, outcome: Outcome) -> None:
    if not outcome.findings:
        return
    steps = draw_schedule(seed).steps
    for finding in outcome.findings:
        weight = sum(step.at_us <= finding.at_us for step in steps)
        sighting = Sighting(
            seed=seed, claim=finding.claim, cause=finding.cause, text=finding.text, easiest=seed,
            weight=weight,
        )  # fmt: skip
        for index, known in enumerate(report.sightings):
            if (known.claim, known.cause) == (finding.claim, finding.cause):
                report.sightings[index] = known.merged(sighting)
                break
        else:
            report.sightings.append(sighting)


def _compare(seed: int, system: System, chunk: Chunk, first: Outcome) -> None:
    again = run_seed(seed, system, chunk.without, chunk.limit_s)
    if again.digest != first.digest:
        raise say_difference(draw_schedule(seed), system)

"""Makes a schedule as small as it gets while it still shows the same finding.

Delta debugging over the steps (halves, quarters, ... single steps), then simpler set-up and simpler
steps, until nothing more can be taken away. A step left out moves the latencies of those after it;
where much is left, other seeds are tried too. "The same" is the same claim and cause; what is left
may fail another way, which is fine as long as the cause is called the same.

The number of runs is the budget, so that equal input gives equal output; a clock is a safety net.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from harness.explore.simpler import simpler_setups, simpler_steps, simpler_times
from harness.schedule import Schedule, Step, dump_schedule

__all__ = ["RUNS_MAX", "SECONDS_MAX", "Shrunk", "shrink"]

RUNS_MAX: Final = 3000
SECONDS_MAX: Final = 15.0
SEEDS_TRIED: Final = 3
FEW: Final = 6
"""More steps than that are worth a second round, with other latencies."""

Shows = Callable[[Schedule], bool]
"""Whether a schedule still shows the finding."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest schedule found, and how many runs that took."""

    schedule: Schedule
    runs: int
    seconds: float


def shrink(
    schedule: Schedule, shows: Shows, *, runs_max: int = RUNS_MAX, seconds_max: float = SECONDS_MAX
) -> Shrunk:
    """Shrink a schedule that shows a finding; one that does not comes back unchanged."""
    search = _Search(schedule, shows, runs_max, time.monotonic() + seconds_max)
    began = time.monotonic()
    if search.shows(schedule):
        search.run()
    return Shrunk(search.best, search.runs, time.monotonic() - began)


class _Search:
    """The best schedule so far, and what was tried already."""

    def __init__(self, schedule: Schedule, shows: Shows, runs_max: int, until: float) -> None:
        self.best = schedule
        self.runs = 0
        self._asked = shows
        self._runs_max = runs_max
        self._until = until
        self._known: dict[bytes, bool] = {}
        self._other_seeds = False

    def run(self) -> None:
        """Go round until a whole round takes nothing away."""
        while True:
            before = self.best
            self._drop_steps()
            self._try_all(simpler_setups)
            self._try_all(simpler_steps)
            self._try_all(simpler_times)
            if self.best == before and len(self.best.steps) > FEW and not self._other_seeds:
                self._other_seeds = True  # what is left hangs together by its latencies: shake it
            elif self.best == before or self._spent():
                break
        self._try_all(_smaller_seeds)

    def shows(self, schedule: Schedule) -> bool:
        """Whether it shows the finding; asked once for each schedule, never past the budget."""
        key = dump_schedule(schedule)
        known = self._known.get(key)
        if known is None:
            if self._spent():
                return False
            self.runs += 1
            known = self._known[key] = self._asked(schedule)
        return known

    def _spent(self) -> bool:
        return self.runs >= self._runs_max or time.monotonic() > self._until

    def _drop_steps(self) -> None:
        """Leave out runs of steps: half of them, a quarter, ... one; from the end, which falls."""
        width = max(1, len(self.best.steps) // 2)
        while True:
            dropped = self._drop_width(width)
            if width > 1:
                width //= 2
            elif not dropped or self._spent():
                return

    def _drop_width(self, width: int) -> bool:
        dropped = False
        end = len(self.best.steps)
        while end > 0:
            steps = self.best.steps
            start = max(0, end - width)
            fewer = _with_steps(self.best, steps[:start] + steps[end:])
            dropped |= any(self._accept(candidate) for candidate in self._seeded(fewer))
            end = start
        return dropped

    def _seeded(self, schedule: Schedule) -> Iterator[Schedule]:
        """The schedule, and with other latencies if it comes to that."""
        yield schedule
        for seed in range(SEEDS_TRIED if self._other_seeds else 0):
            yield msgspec.structs.replace(schedule, seed=seed)

    def _try_all(self, candidates: Callable[[Schedule], Iterator[Schedule]]) -> None:
        """Take the first simpler candidate that shows it, and ask again from there."""
        while any(self._accept(candidate) for candidate in candidates(self.best)):
            if self._spent():
                return

    def _accept(self, candidate: Schedule) -> bool:
        if self.shows(candidate):
            self.best = candidate
            return True
        return False


def _with_steps(schedule: Schedule, steps: Sequence[Step]) -> Schedule:
    return msgspec.structs.replace(schedule, steps=tuple(steps))


def _smaller_seeds(schedule: Schedule) -> Iterator[Schedule]:
    """The seed only decides latencies once the steps are there: a small one is easier to read."""
    for seed in range(min(schedule.seed, SEEDS_TRIED)):
        yield msgspec.structs.replace(schedule, seed=seed)

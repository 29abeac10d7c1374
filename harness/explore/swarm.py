"""Runs a swarm: hands out chunks of seeds until a budget is used up, and survives its workers.

A chunk whose worker died is halved and tried again, down to the one seed that kills: that seed is
reported and the rest of its chunk counts. What is found does not depend on how many workers there
are, which of them died, or in which order they reported.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from harness.errors import Inconclusive, MountproofError
from harness.explore.chunk import HUNG_SECONDS, SEEDS_PER_SWARM, Chunk, ChunkReport
from harness.explore.determinism import NondeterminismError
from harness.explore.tally import Tally
from harness.explore.worker import Failure, Success
from harness.explore.workforce import Lost, Workforce

__all__ = ["CHUNK_DISASTERS", "SwarmOrder", "SwarmResult", "run_swarm"]

CHUNK_DISASTERS: Final = 50
LOOK_SECONDS: Final = 0.2
DEATHS_MAX: Final = 60
"""A core that kills every worker is known well enough after this many funerals."""
TRIES: Final = 2
"""A single seed whose worker died is given one more chance: the death may have been an accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmOrder:
    """Which disasters, and how many: a count, or as many as fit into so many seconds."""

    seed: int
    disasters: int | None = None
    seconds: float | None = None
    core: str = ""
    bug: str = ""
    without: tuple[str, ...] = ()
    limit_s: float = HUNG_SECONDS

    def __post_init__(self) -> None:
        """Exactly one of the two budgets is given."""
        assert (self.disasters is None) != (self.seconds is None)


@dataclass(slots=True)
class SwarmResult:
    """What came of it; `accidents`: deaths of workers that did not repeat themselves."""

    tally: Tally
    seconds: float = 0.0
    interrupted: bool = False
    accidents: list[str] = field(default_factory=list)


def run_swarm(
    order: SwarmOrder,
    workforce: Workforce,
    *,
    tell: Callable[[SwarmResult], None] = lambda _result: None,
    stop: Callable[[], bool] = lambda: False,
) -> SwarmResult:
    """Run it; `stop` is asked between two looks and ends it early, with what there is so far."""
    run = _Run(order, workforce)
    while run.feed():
        run.hear()
        tell(run.result)
        if stop():
            run.result.interrupted = True
            break
    return run.result


class _Run:
    """The state of a running swarm."""

    def __init__(self, order: SwarmOrder, workforce: Workforce) -> None:
        first = order.seed * SEEDS_PER_SWARM
        self.result = SwarmResult(Tally(first))
        self._order = order
        self._workforce = workforce
        self._began = time.monotonic()
        self._next = first
        self._end = first + (order.disasters if order.disasters is not None else SEEDS_PER_SWARM)
        self._again: deque[Chunk] = deque()
        self._under_way = 0
        self._tries: dict[int, int] = {}
        self._deaths = 0

    def feed(self) -> bool:
        """Give every idle worker a chunk; False once all is done."""
        while self._workforce.room > 0 and (chunk := self._take()) is not None:
            self._workforce.submit(chunk)
            self._under_way += 1
        return self._under_way > 0

    def hear(self) -> None:
        """Take in what workers report."""
        for message in self._workforce.wait(LOOK_SECONDS):
            self._under_way -= 1
            if isinstance(message, Success):
                self._take_in(message.report)
            elif isinstance(message, Failure):
                raise _error_of(message)
            else:
                self._mourn(message)
        self.result.seconds = time.monotonic() - self._began

    def _take(self) -> Chunk | None:
        if self._again:
            return self._again.popleft()
        if self._next >= self._end or self._time_is_up():
            return None
        count = min(CHUNK_DISASTERS, self._end - self._next)
        order = self._order
        chunk = Chunk(
            first=self._next, count=count, core=order.core, bug=order.bug, without=order.without,
            limit_s=order.limit_s,
        )  # fmt: skip
        self._next += count
        return chunk

    def _time_is_up(self) -> bool:
        seconds = self._order.seconds
        return seconds is not None and time.monotonic() - self._began >= seconds

    def _take_in(self, report: ChunkReport) -> None:
        self.result.tally.add(report)
        if report.count == 1 and self._tries.pop(report.first, 0):
            self.result.accidents.append(f"seed {report.first}: a worker died, once")

    def _mourn(self, lost: Lost) -> None:
        """A worker died: narrow its chunk down to the seed that did it."""
        self._deaths += 1
        chunk = lost.chunk
        if self._deaths > DEATHS_MAX:
            raise Inconclusive(
                f"{self._deaths} workers died, the last with seeds {chunk.first} to"
                f" {chunk.first + chunk.count - 1} ({lost.reason}): the swarm stops"
            )
        if chunk.count > 1:
            self._again.extend(chunk.halves())
            return
        self._tries[chunk.first] = self._tries.get(chunk.first, 0) + 1
        if self._tries[chunk.first] < TRIES:
            self._again.append(chunk)
        else:
            self.result.tally.add_dead(chunk.first, lost.reason)


def _error_of(failure: Failure) -> MountproofError:
    if failure.kind == "nondeterminism":
        return NondeterminismError(failure.text)
    return MountproofError(
        f"a worker failed in the chunk from seed {failure.first}:\n{failure.text}"
    )

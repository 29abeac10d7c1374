"""Time, order and memory of a simulated world: one heap, one trace, one counter of everything.

Everything happens in one heap of calls at integer microseconds; calls of the same time happen in
the order in which they were put there. The trace is a list of tuples of integers, so that equal
runs have equal digests in any process, under any PYTHONHASHSEED.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, Protocol

from harness.checkers.observation import Observer

__all__ = ["EVENTS_MAX", "Call", "CoreError", "Story", "Watch", "World"]

EVENTS_MAX: Final = 100_000
"""A run of more events never ends: the system under test answers itself in circles."""

Call = Callable[[Any, Any], None]
Mark = tuple[int, ...]


class CoreError(Exception):
    """The system under test raised, hangs, or asks for what does not exist.

    cause: a short slug, the same for the same defect.
    """

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class Story(Protocol):
    """Is told, in order, what happens; costs nothing when there is none."""

    def tell(self, at_us: int, kind: str, who: str, text: str) -> None:
        """One thing that happened.

        kind: "step", "fault", "request" (applied or refused), "reply", "note", "status",
        "process", "mount" or "phase"; who: a node, "client", "store" or "world".
        """


HOOKS: Final = tuple(name for name in vars(Observer) if not name.startswith("_"))


class Watch:
    """For each hook of Observer those who override it, looked up once a run.

    Whoever tells something calls the hook of each of them by its name, so that it is compiled.
    """

    answered: list[Observer]
    applied: list[Observer]
    calm: list[Observer]
    completed: list[Observer]
    damaged: list[Observer]
    ended: list[Observer]
    fault: list[Observer]
    invoked: list[Observer]
    local: list[Observer]
    mounted: list[Observer]
    power_lost: list[Observer]
    process: list[Observer]
    sent: list[Observer]
    started: list[Observer]
    status: list[Observer]
    stored: list[Observer]

    def __init__(self, observers: Iterable[Observer]) -> None:
        for hook in HOOKS:
            setattr(self, hook, [])
        for observer in observers:
            for hook in _overridden(type(observer)):
                getattr(self, hook).append(observer)


_OVERRIDDEN: dict[type, tuple[str, ...]] = {}


def _overridden(kind: type) -> tuple[str, ...]:
    known = _OVERRIDDEN.get(kind)
    if known is None:
        known = tuple(hook for hook in HOOKS if getattr(kind, hook) is not getattr(Observer, hook))
        _OVERRIDDEN[kind] = known
    return known


class World:
    """The clock, the heap and the trace; `turn` counts positions in the clients' history."""

    __slots__ = (
        "_stopped", "events", "fired", "heap", "now_us", "requests", "seed", "story", "ticket",
        "trace", "turn", "watch",
    )  # fmt: skip

    def __init__(self, seed: int, observers: Iterable[Observer], story: Story | None) -> None:
        self.seed = seed
        self.now_us = 0
        self.turn = 0
        self.events = 0
        self.requests = 0
        self.trace: list[Mark] = []
        self.fired: dict[str, int] = {}
        self.watch = Watch(observers)
        self.story = story
        self.heap: list[tuple[int, int, Call, Any, Any]] = []
        self.ticket = count(1).__next__
        """Calls of the same time happen in the order of their tickets."""
        self._stopped = False

    def at(self, when_us: int, act: Call, first: Any = None, second: Any = None) -> None:  # noqa: ANN401  # whatever `act` takes
        """Call `act(first, second)` at a time."""
        heappush(self.heap, (when_us, self.ticket(), act, first, second))

    def run(self, until_us: int) -> None:
        """Let time pass until then, or until `stop`."""
        heap = self.heap
        for events in range(self.events, EVENTS_MAX):
            if not heap or heap[0][0] > until_us:
                self.events = events
                break
            self.now_us, _, act, first, second = heappop(heap)
            act(first, second)
        else:
            raise CoreError("endless", f"no end after {EVENTS_MAX} events")
        if not self._stopped:
            self.now_us = max(self.now_us, until_us)

    def stop(self) -> None:
        """Nothing more happens."""
        self._stopped = True
        self.heap.clear()

    def next_turn(self) -> int:
        """The next position in the clients' history."""
        self.turn += 1
        return self.turn

    def fire(self, fault: str, node: str) -> None:
        """A fault had a real effect."""
        self.fired[fault] = self.fired.get(fault, 0) + 1
        self.trace.append((self.now_us, 100, self.fired[fault]))
        for observer in self.watch.fault:
            observer.fault(self.now_us, fault, node)
        if self.story:
            self.story.tell(self.now_us, "fault", node, fault)

    def tell(self, kind: str, who: str, text: str) -> None:
        """Tell the story, if there is one; for what is rare."""
        if self.story:
            self.story.tell(self.now_us, kind, who, text)

    def digest(self) -> int:
        """Of everything that happened: the same for equal runs in any process."""
        return hash(tuple(self.trace)) & ((1 << 64) - 1)

"""Time, order and memory of a simulated world: one agenda, one trace, one counter of everything.

Everything is a call at an integer microsecond: the steps of the schedule, which are known from the
start, or on one agenda. Of the same time steps come first, then calls in the order in which they
were put there. The trace is a list of integers, four for each thing that happened, so that equal
runs have equal digests in any process, under any PYTHONHASHSEED.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from harness.checkers.observation import Observer
from harness.schedule import Step

__all__ = ["EVENTS_MAX", "UNTIL_STOPPED", "Act", "Call", "CoreError", "Story", "Watch", "World"]

EVENTS_MAX: Final = 100_000
"""A run of more events never ends: the system under test answers itself in circles."""

UNTIL_STOPPED: Final = 1 << 60
"""A time that no run comes to."""
NEVER: Final = 1 << 61
TICKET_BITS: Final = 24

Act = Callable[[Any, Any], None]


class CoreError(Exception):
    """The system under test raised, hangs, or asks for what does not exist.

    cause: a short slug, the same for the same defect.
    """

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class Call:
    """Something that will happen; on one agenda, once at a time.

    due: its time, and its ticket, by which those of one time are in order, as one number: nothing
    is compared so often.
    """

    __slots__ = ("due",)
    due: int

    def happen(self) -> None:
        """Now it does: each kind says what."""
        raise NotImplementedError


class _Do(Call):
    """To call `act(first, second)`: for what is rare, other calls are classes of their own."""

    __slots__ = ("act", "first", "second")

    def __init__(self, act: Act, first: Any, second: Any) -> None:  # noqa: ANN401  # whatever `act` takes
        self.act = act
        self.first = first
        self.second = second

    def happen(self) -> None:
        self.act(self.first, self.second)


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
    """The clock, the agenda and the trace; `turn` counts positions in the clients' history."""

    __slots__ = (
        "_act", "_calls", "_next", "_step_us", "_steps", "_stopped", "_ticket", "_times",
        "events", "fired", "last_step_us", "now_us", "requests", "seed", "story", "trace", "turn",
        "watch",
    )  # fmt: skip

    def __init__(self, seed: int, observers: Iterable[Observer], story: Story | None) -> None:
        self.seed = seed
        self.now_us = 0
        self.turn = 0
        self.events = 0
        self.requests = 0
        self.trace: list[int] = []
        self.fired: dict[str, int] = {}
        self.watch = Watch(observers)
        self.story = story
        self._calls: list[Call] = []
        """Those to come, the next one last, for it is gone quickly."""
        self._ticket = 0
        self._steps: Sequence[Step] = ()
        self._times: list[int] = []
        self.last_step_us = 0
        self._act: Callable[[Step], None] | None = None
        self._next = 0
        self._step_us = NEVER
        self._stopped = False

    def at(self, when_us: int, act: Act, first: Any = None, second: Any = None) -> None:  # noqa: ANN401  # whatever `act` takes
        """Call `act(first, second)` at a time."""
        self.put(when_us, _Do(act, first, second))

    def put(self, when_us: int, call: Call) -> None:
        """Have it happen at a time; it is not on the agenda now."""
        self._ticket += 1
        due = call.due = when_us << TICKET_BITS | self._ticket
        calls = self._calls
        low, high = 0, len(calls)
        while low < high:
            middle = (low + high) >> 1
            if calls[middle].due > due:
                low = middle + 1
            else:
                high = middle
        calls.insert(low, call)

    def plan(self, steps: Sequence[Step], act: Callable[[Step], None]) -> None:
        """Call `act` with each step at its time; those of one time keep their order."""
        times = [step.at_us for step in steps]
        last_us = 0
        for at_us in times:
            if at_us < last_us:  # nobody checked this schedule
                steps = sorted(steps, key=lambda step: step.at_us)
                times = [step.at_us for step in steps]
                break
            last_us = at_us
        self._steps, self._times, self._act = steps, times, act
        self._next, self._step_us = 0, times[0] if times else NEVER
        self.last_step_us = times[-1] if times else 0

    def run(self, until_us: int) -> None:
        """Let time pass until then, or until `stop`."""
        calls = self._calls
        for events in range(self.events, EVENTS_MAX):
            if calls and (when_us := calls[-1].due >> TICKET_BITS) < self._step_us:
                if when_us > until_us:
                    self.events = events
                    break
                self.now_us = when_us
                calls.pop().happen()
            elif self._step_us <= until_us:
                self._take_step()
            else:
                self.events = events
                break
        else:
            raise CoreError("endless", f"no end after {EVENTS_MAX} events")
        if not self._stopped:
            self.now_us = max(self.now_us, until_us)

    def _take_step(self) -> None:
        self.now_us = self._step_us
        at = self._next
        self._next = at + 1
        step, times, act = self._steps[at], self._times, self._act
        self._step_us = times[at + 1] if at + 1 < len(times) else NEVER
        assert act is not None
        act(step)

    def next_us(self) -> int:
        """When something happens next; a time that never comes if nothing does."""
        when_us = self._calls[-1].due >> TICKET_BITS if self._calls else NEVER
        return min(when_us, self._step_us)

    def stop(self) -> None:
        """Nothing more happens."""
        self._stopped = True
        self._calls.clear()
        self._step_us, self._act = NEVER, None

    def next_turn(self) -> int:
        """The next position in the clients' history."""
        self.turn += 1
        return self.turn

    def mark(self, code: int, first: int, second: int) -> None:
        """One thing that happened, in the trace."""
        trace = self.trace
        trace.append(self.now_us)
        trace.append(code)
        trace.append(first)
        trace.append(second)

    def fire(self, fault: str, node: str) -> None:
        """A fault had a real effect."""
        self.fired[fault] = self.fired.get(fault, 0) + 1
        self.mark(100, self.fired[fault], 0)
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

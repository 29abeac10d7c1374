"""Systems under test that misbehave; each for schedules of mode sync and order flush only."""

import os
import signal
import sys
import time

from engine.core.epochs import Order
from engine.core.messages import Command, Event
from engine.core.settings import Mode, StandbySettings, VolumeSettings
from harness.schedule import Schedule
from harness.sim.drawing import draw_schedule
from harness.sim.system import Primary, PrimarySays, Reference, Standby, System


def is_odd(schedule: Schedule) -> bool:
    """Whether the cores below misbehave in this disaster."""
    return (schedule.setup.mode, schedule.setup.order) == ("sync", "flush")


def odd_seeds(first: int, count: int) -> list[int]:
    return [seed for seed in range(first, first + count) if is_odd(draw_schedule(seed))]


class OddPrimary:
    """Ours, until it is given its first event."""

    def __init__(self, inner: Primary, how: str) -> None:
        self._inner = inner
        self._how = how

    def handle(self, now_us: int, event: Event) -> list[Command]:
        match self._how:
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "dies once":
                die_once()
            case "hangs":
                while True:
                    pass
            case "hangs for good":
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
                time.sleep(600)
            case "raises, then dies":
                if any("isolated" in word for word in sys.orig_argv):
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("this core is broken")
            case "raises":
                raise RuntimeError("this core is broken")
        return self._inner.handle(now_us, event)

    def status(self, now_us: int) -> PrimarySays:
        return self._inner.status(now_us)


class OddSystem:
    """Ours, with an odd primary where `is_odd`."""

    def __init__(self, how: str) -> None:
        self._how = how
        self._reference = Reference()

    def primary(self, settings: VolumeSettings) -> Primary:
        inner = self._reference.primary(settings)
        odd = (settings.mode, settings.order) == (Mode.SYNC, Order.FLUSH)
        return OddPrimary(inner, self._how) if odd else inner

    def standby(self, settings: StandbySettings) -> Standby:
        return self._reference.standby(settings)


def die_once() -> None:
    """Kill this process, if no process of this test did so before."""
    try:
        os.close(os.open(os.environ["ODD_CORES_MARK"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def deadly() -> System:
    return OddSystem("dies")


def deadly_once() -> System:
    return OddSystem("dies once")


def hanging() -> System:
    return OddSystem("hangs")


def stuck() -> System:
    return OddSystem("hangs for good")


def raising() -> System:
    return OddSystem("raises")


def raising_then_deadly() -> System:
    """Raises in a swarm, and dies where it is shrunk."""
    return OddSystem("raises, then dies")


def printing() -> System:
    """Prints where a worker talks to its swarm."""
    print("hello from a foreign core", flush=True)  # noqa: T201
    return Reference()

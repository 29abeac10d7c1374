"""What comes to a process later: an event that is on its way, a timer."""

from typing import TYPE_CHECKING

from engine.core.messages import Event
from harness.sim.world import Call

if TYPE_CHECKING:
    from harness.sim.process import Process

__all__ = ["Delivery", "Timer"]


class Delivery(Call):
    """An event on its way to a process."""

    __slots__ = ("event", "process")

    def __init__(self, process: "Process", event: Event) -> None:
        self.process = process
        self.event = event

    def happen(self) -> None:
        """It is there."""
        self.process.deliver(self.event)


class Timer(Call):
    """A timer of a process, unless it was set anew since: then its token is another."""

    __slots__ = ("key", "process", "token")

    def __init__(self, process: "Process", key: str, token: int) -> None:
        self.process = process
        self.key = key
        self.token = token

    def happen(self) -> None:
        """It is due."""
        self.process.fire(self.key, self.token)

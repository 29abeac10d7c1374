"""A node: what outlives its processes (disk, clock, links), and what goes wrong with its links."""

from random import Random
from typing import TYPE_CHECKING, Any, Final

from harness.schedule import Fault
from harness.sim.faults import CONDITIONS, Armed
from harness.sim.world import Act

if TYPE_CHECKING:
    from harness.sim.process import Process

__all__ = ["NUMBERS", "Node"]

NUMBERS: Final = {"primary": 1, "standby": 2, "standby-2": 3}


class Node:
    """One machine of a site; `process` is what runs on it now, if anything does.

    Durable: last_lease, dirty (regions of the bitmap, None before the first start), stop_etag.
    offset_us: how far its clock is before the world's; troubled: something is armed or holds.
    """

    __slots__ = (
        "armed", "conditions", "dirty", "held_back", "last_lease", "name", "number", "offset_us",
        "process", "random", "starts", "stop_etag", "troubled",
    )  # fmt: skip

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.number = NUMBERS[name]
        self.random = Random(seed * 8 + self.number).random
        self.process: Process | None = None
        self.starts = 0
        self.offset_us = 0
        self.last_lease = ""
        self.dirty: dict[int, None] | None = None
        self.stop_etag = ""
        self.armed: list[Armed] = []
        self.conditions: dict[str, Armed] = {}
        self.held_back: list[tuple[Act, Any, Any]] = []
        self.troubled = False

    def arm(self, fault: Fault) -> Armed:
        """Something will strike, or a condition holds from now on."""
        armed = Armed(fault)
        if fault.fault in CONDITIONS:
            self.conditions[fault.fault] = armed
        else:
            self.armed.append(armed)
        self.troubled = True
        return armed

    def disarm(self, name: str) -> None:
        """What was armed of that name strikes no more; a condition of that name ends."""
        self.armed = [armed for armed in self.armed if armed.fault.fault != name]
        self.conditions.pop(name, None)
        self.troubled = bool(self.armed or self.conditions)

    def strike(self, kind: str) -> Armed | None:
        """The armed fault that strikes this request or local operation, if any does."""
        for armed in self.armed:
            if armed.strikes(kind):
                if not armed.times:
                    self.armed.remove(armed)
                    self.troubled = bool(self.armed or self.conditions)
                return armed
        return None

    def condition(self, *names: str) -> Armed | None:
        """The first of these conditions that holds."""
        for name in names:
            armed = self.conditions.get(name)
            if armed is not None:
                return armed
        return None

"""The clients of the volume and its operator: what they ask, when, and what they were answered."""

from typing import TYPE_CHECKING

from engine.core.messages import (
    Event,
    FlushRequested,
    PointRequested,
    ResizeRequested,
    WriteRequested,
    ZeroRequested,
)
from harness.checkers.observation import NEVER, Operation
from harness.schedule import Flush, Point, Resize, Write, Zero
from harness.sim.blob_requests import PAGE_BYTES
from harness.sim.world import CoreError

if TYPE_CHECKING:
    from harness.sim.process import Process
    from harness.sim.site import Site

__all__ = ["Clients"]


class Clients:
    """Numbers operations, hands them to the primary's process, keeps what became of them."""

    __slots__ = ("open", "operations", "site")

    def __init__(self, site: "Site") -> None:
        self.site = site
        self.operations: list[Operation] = []
        self.open: dict[int, Operation] = {}
        """Those that wait for an answer of the living process."""

    def ask(self, step: Write | Zero | Flush | Resize | Point) -> bool:
        """An operation begins; False if there is no process that could take it."""
        process = self.site.nodes["primary"].process
        if process is None:
            return False
        op = len(self.operations) + 1
        operation, event = _begin(op, step)
        world = self.site.world
        operation.invoked, operation.invoked_us = world.next_turn(), world.now_us
        operation.session = process.session
        self.operations.append(operation)
        self.open[op] = operation
        for hook in world.watch.invoked:
            hook(world.now_us, operation)
        process.deliver(event)
        return True

    def took_effect(self, op: int) -> None:
        """The volume has it."""
        if 0 < op <= len(self.operations):
            world = self.site.world
            for hook in world.watch.local:
                hook(world.now_us, self.operations[op - 1])

    def reply(self, process: "Process", op: int, error: int) -> None:
        """The primary answers an operation."""
        operation = self.open.pop(op, None)
        if operation is None:
            raise CoreError(f"{process.node.name}: answers operation {op}, which is not open")
        world = self.site.world
        operation.error = error
        protected = self.site.sample(process)
        operation.promised = protected and not error
        operation.completed, operation.completed_us = world.next_turn(), world.now_us
        world.trace.append((world.now_us, 60, op, error))
        for hook in world.watch.completed:
            hook(world.now_us, operation)

    def hang_up(self) -> None:
        """The process is gone: what is open will never be answered."""
        for operation in self.open.values():
            assert operation.completed == NEVER
        self.open = {}


def _begin(op: int, step: Write | Zero | Flush | Resize | Point) -> tuple[Operation, Event]:
    match step:
        case Write(page=page, pages=pages, fua=fua):
            offset, length = page * PAGE_BYTES, pages * PAGE_BYTES
            event: Event = WriteRequested(op, offset, length, (op,) * pages, fua)
            return Operation(op, "write", page, pages, fua=fua), event
        case Zero(page=page, pages=pages, fua=fua):
            event = ZeroRequested(op, page * PAGE_BYTES, pages * PAGE_BYTES, fua)
            return Operation(op, "zero", page, pages, fua=fua), event
        case Resize(volume_bytes=size):
            return Operation(op, "resize", volume_bytes=size), ResizeRequested(op, size)
        case Point():
            return Operation(op, "point"), PointRequested(op)
        case _:
            return Operation(op, "flush"), FlushRequested(op)

"""The clients of the volume and its operator: what they ask, when, and what they were answered."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

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
    __deletable__ = ("site",)  # the compiler wants to know (harness.compiled)

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
        operation, event = BEGINS[type(step)](op, step)
        world = self.site.world
        operation.invoked, operation.invoked_us = world.next_turn(), world.now_us
        operation.session = process.session
        self.operations.append(operation)
        self.open[op] = operation
        for observer in world.watch.invoked:
            observer.invoked(world.now_us, operation)
        process.deliver(event)
        return True

    def took_effect(self, op: int) -> None:
        """The volume has it."""
        if 0 < op <= len(self.operations):
            world = self.site.world
            for observer in world.watch.local:
                observer.local(world.now_us, self.operations[op - 1])

    def reply(self, process: "Process", op: int, error: int) -> None:
        """The primary answers an operation."""
        operation = self.open.pop(op, None)
        if operation is None:
            twice = f"{process.node.name}: answers operation {op}, which is not open"
            raise CoreError("answers-twice", twice)
        world = self.site.world
        operation.error = error
        protected = self.site.sample(process)
        operation.promised = protected and not error
        operation.completed, operation.completed_us = world.next_turn(), world.now_us
        world.mark(60, op, error)
        for observer in world.watch.completed:
            observer.completed(world.now_us, operation)

    def hang_up(self) -> None:
        """The process is gone: what is open will never be answered."""
        for operation in self.open.values():
            assert operation.completed == NEVER
        self.open = {}


def _write(op: int, step: Write) -> tuple[Operation, Event]:
    page, pages, fua = step.page, step.pages, step.fua
    event = WriteRequested(op, page * PAGE_BYTES, pages * PAGE_BYTES, (op,) * pages, fua)
    return Operation(op, "write", page, pages, 0, fua), event


def _zero(op: int, step: Zero) -> tuple[Operation, Event]:
    page, pages, fua = step.page, step.pages, step.fua
    event = ZeroRequested(op, page * PAGE_BYTES, pages * PAGE_BYTES, fua)
    return Operation(op, "zero", page, pages, 0, fua), event


def _flush(op: int, _step: Flush) -> tuple[Operation, Event]:
    return Operation(op, "flush"), FlushRequested(op)


def _resize(op: int, step: Resize) -> tuple[Operation, Event]:
    size = step.volume_bytes
    return Operation(op, "resize", 0, 0, size), ResizeRequested(op, size)


def _point(op: int, _step: Point) -> tuple[Operation, Event]:
    return Operation(op, "point"), PointRequested(op)


BEGINS: Final[dict[type, Callable[[int, Any], tuple[Operation, Event]]]] = {
    Write: _write,
    Zero: _zero,
    Flush: _flush,
    Resize: _resize,
    Point: _point,
}

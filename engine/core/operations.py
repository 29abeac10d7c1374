"""Client operations and when each may be acknowledged (protocol.md P6, H11, H18).

An operation waits for its local write, for local durability, and for its epoch to be in the blob,
as mode and flags demand. A finished one passes the gate (gate.py): surely valid authority, and a
lag within the bound. Nothing here ever acknowledges early.
"""

from collections import deque

from engine.core.epochs import Epoch
from engine.core.gate import Gate
from engine.core.messages import EIO, Command, LocalFlush, Reply

LOCAL = 1
"""Waits for the local write."""
DURABLE = 2
"""Waits for a local flush."""
REMOTE = 4
"""Waits for the blob."""
CHANGE = 8
"""Waits for a change of the blob itself: its size, a point."""


class Operation:
    """One write, zero or flush of a client.

    `epoch`: where its payload is queued, if it is; `parked`: it waits for its bit (dirty.py) and
    was issued neither to the volume nor to the queue.
    """

    __slots__ = ("epoch", "fua", "length", "offset", "op", "parked", "waits")

    def __init__(self, op: int, offset: int, length: int, *, fua: bool) -> None:
        self.op = op
        self.offset = offset
        self.length = length
        self.fua = fua
        self.waits = LOCAL
        self.epoch: Epoch | None = None
        self.parked = False


class Operations:
    """Every operation that was not answered yet."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._open: dict[int, Operation] = {}
        self.held: deque[Operation] = deque()
        """Those that wait for authority or for the lag to shrink."""
        self.acknowledged = 0

    def __len__(self) -> int:
        """How many are not answered."""
        return len(self._open)

    def begin(self, operation: Operation) -> None:
        """An operation arrived."""
        self._open[operation.op] = operation

    def get(self, op: int) -> Operation | None:
        """The unanswered operation of this number."""
        return self._open.get(op)

    def uncaptured(self) -> list[Operation]:
        """Writes that are still on their way to the volume and that nobody will put."""
        return [op for op in self.unwritten() if op.epoch is None]

    def unwritten(self) -> list[Operation]:
        """Writes that were issued to the volume and are not known to be in it."""
        return [op for op in self._open.values() if op.waits & LOCAL and not op.parked]

    def forget_captured(self, now_us: int) -> list[Command]:
        """The queue was dropped: nobody waits for the blob, every open write is uncaptured."""
        out: list[Command] = []
        for operation in list(self._open.values()):
            operation.epoch = None
            if operation.waits & REMOTE:
                out += self.remote_done(now_us, operation)
        return [*out, *self.release(now_us)]

    def local_done(self, now_us: int, operation: Operation) -> list[Command]:
        """Its local command completed: the write first, then, where needed, the flush."""
        if operation.waits & LOCAL:
            operation.waits &= ~LOCAL
            if operation.waits & DURABLE:
                return [LocalFlush(operation.op)]
        else:
            operation.waits &= ~DURABLE
        return [] if operation.waits else self._finish(now_us, operation)

    def remote_done(self, now_us: int, operation: Operation) -> list[Command]:
        """Its epoch is in the blob."""
        operation.waits &= ~REMOTE
        return [] if operation.waits else self._finish(now_us, operation)

    def changed(self, now_us: int, operation: Operation) -> list[Command]:
        """The change that it asked for is made."""
        operation.waits &= ~CHANGE
        return self._finish(now_us, operation)

    def reaches(self, limit: int) -> bool:
        """Whether a write that is not in the volume yet ends beyond this."""
        return any(op.waits & LOCAL and op.offset + op.length > limit for op in self._open.values())

    def release(self, now_us: int) -> list[Command]:
        """Authority or lag changed: answer what was held for it, in order."""
        out: list[Command] = []
        while self.held and self._gate.may_acknowledge(now_us):
            out.append(self._reply(self.held.popleft()))
        return out

    def fail(self, operation: Operation, error: int) -> list[Command]:
        """Answer with an error."""
        self._open.pop(operation.op, None)
        return [Reply(operation.op, error)]

    def fail_all(self) -> list[Command]:
        """This site may acknowledge nothing any more: every open operation fails."""
        out: list[Command] = [Reply(op, EIO) for op in self._open]
        self._open.clear()
        self.held.clear()
        return out

    def _finish(self, now_us: int, operation: Operation) -> list[Command]:
        if operation.waits or operation.op not in self._open:
            return []
        if self.held or not self._gate.may_acknowledge(now_us):
            self.held.append(operation)
            return []
        return [self._reply(operation)]

    def _reply(self, operation: Operation) -> Command:
        del self._open[operation.op]
        self.acknowledged += 1
        if operation.epoch is not None:
            # Order strict: what is invoked from now on comes after this write.
            operation.epoch.acknowledged = True
        return Reply(operation.op, 0)

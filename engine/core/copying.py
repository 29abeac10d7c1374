"""The copy of the volume, or of what the blob lacks, between the clients and the blob.

While it is under way clients' writes go to the volume only; near its end they are captured again,
and the copy is over once everything captured until then is in the blob too.
"""

from collections.abc import Callable, Iterable, Sequence

from engine.core import seeding
from engine.core.blob_metadata import Mark
from engine.core.changing import Fenced
from engine.core.clients import Clients
from engine.core.epochs import Batch
from engine.core.messages import Command, Note, StoreAnswer, VolumeRead
from engine.core.operations import REMOTE, Operation
from engine.core.primary_status import COPYING, SEALING, Phase, Standing
from engine.core.seeding import Seeding
from engine.core.shipping import Shipper

End = Callable[[Phase, str], list[Command]]


class Copying:
    """At most one copy; `end` is called when it cannot go on, `fenced` when the lease is lost."""

    def __init__(
        self,
        standing: Standing,
        clients: Clients,
        shipper: Shipper,
        next_id: Callable[[], int],
        *,
        connections: int,
        end: End,
        fenced: Fenced,
    ) -> None:
        self._standing = standing
        self._clients = clients
        self._shipper = shipper
        self._next_id = next_id
        self._connections = connections
        self._end = end
        self._fenced = fenced
        self._seeding: Seeding | None = None
        self._phase = Phase.SEEDING
        self._lease = ""
        self._drained: Operation | None = None

    def begin(
        self,
        now_us: int,
        volume_bytes: int,
        mark: Mark,
        number: int,
        lease: str,
        *,
        lacking: Sequence[int] | None,
        blob_is_zero: bool,
    ) -> list[Command]:
        """Copy everything under mark `seed`, else what is `lacking` (None: everything)."""
        resync = mark is not Mark.SEED
        self._lease = lease
        self._phase = self._standing.phase = Phase.RESYNCING if resync else Phase.SEEDING
        self._standing.reason = "first copy under way: the blob cannot be failed over to yet"
        if resync:
            self._standing.reason = "resync under way: a failover recovers the point before it"
        # A pinned point may be mounted meanwhile; there is none while seeding.
        dropped = self._clients.forget_captured(now_us, guarded=resync)
        self._seeding = Seeding(
            volume_bytes,
            self._connections,
            self._next_id,
            blob_is_zero=blob_is_zero,
            dirty=lacking if resync else None,
        )
        for operation in self._clients.operations.uncaptured():
            self._seeding.write_began(operation.offset, operation.length)
        self._seeding.own(lease, number)
        step = self._after(now_us, self._seeding.pump(now_us))
        return [*dropped, Note(str(self._phase)), *step]

    def forget(self) -> None:
        """The blob is an image of the volume again."""
        self._seeding = None
        self._drained = None

    def progress(self) -> tuple[int, int]:
        """Bytes copied, of how many; zeros when nothing is copied."""
        return self._seeding.progress() if self._seeding else (0, 0)

    def is_drained(self) -> bool:
        """Whether what was captured before the end of the copy is in the blob."""
        return self._drained is None

    def hold(self) -> int | None:
        """Begin nothing any more; the blob's number once nothing is in flight, else None."""
        assert self._seeding is not None
        self._seeding.held = True
        return self._seeding.number if self._seeding.is_idle() else None

    # ── ownership ─────────────────────────────────────────────────────────────────────────────

    def fence(self) -> None:
        """The lease was lost: send nothing until it is owned again."""
        if self._seeding is not None:
            self._seeding.trouble = seeding.Trouble.FENCED

    def own(self, now_us: int, lease: str, number: int) -> list[Command]:
        """Owned again: go on where it stood."""
        assert self._seeding is not None
        self._lease = lease
        if self._seeding.finished:
            self._standing.phase = SEALING
            return []
        self._standing.phase = self._phase
        self._seeding.own(lease, number)
        return self._after(now_us, self._seeding.pump(now_us))

    # ── events ────────────────────────────────────────────────────────────────────────────────

    def answer(self, now_us: int, event: StoreAnswer) -> list[Command] | None:
        """Take an answer; None: it is not for the copy."""
        copying = self._seeding
        if copying is None or not copying.handles(event.id):
            return None
        return self._after(now_us, copying.handle(now_us, event))

    def timer(self, now_us: int, key: str) -> list[Command]:
        """A wait is over; any other key is none of it."""
        if key != seeding.TIMER or self._seeding is None:
            return []
        return self._after(now_us, self._seeding.pump(now_us))

    def volume_read(self, now_us: int, event: VolumeRead) -> list[Command]:
        """A piece of the volume was read."""
        if self._seeding is None:
            return []
        return self._after(now_us, self._seeding.volume_read(now_us, event))

    def flushed(self, now_us: int, op: int) -> list[Command]:
        """A flush of the machine's own is done."""
        if self._seeding is None:
            return []
        return self._after(now_us, self._seeding.flushed(now_us, op))

    def volume_failed(self, now_us: int, command_id: int) -> list[Command]:
        """The volume could not be read or flushed for the copy."""
        if self._seeding is None:
            return []
        return self._seeding.volume_failed(now_us, command_id)

    def write_began(self, operation: Operation) -> None:
        """A client's write that is not captured arrived."""
        if self._seeding is not None:
            self._seeding.write_began(operation.offset, operation.length)

    def write_ended(self, now_us: int, operation: Operation) -> list[Command]:
        """That write is in the volume, or failed and left there nobody knows what."""
        if self._seeding is None:
            return []
        ended = self._seeding.write_ended(now_us, operation.offset, operation.length)
        return self._after(now_us, ended)

    def in_blob(self, batch: Batch) -> None:
        """A batch is known to be in the blob: is it the one that the end waits for?"""
        if self._drained is not None and self._drained in batch.waiters:
            self._drained = None

    def _after(self, now_us: int, commands: Iterable[Command]) -> list[Command]:
        copying = self._seeding
        if copying is None or self._standing.phase not in COPYING:
            return [*commands]
        if copying.capturing:
            self._clients.capturing = True
        if copying.trouble is seeding.Trouble.FENCED:
            return [*commands, *self._fenced(now_us, copying.detail)]
        if copying.trouble is seeding.Trouble.BROKEN:
            return [*commands, *self._end(Phase.HALTED, copying.detail)]
        if not copying.finished:
            return [*commands]
        self._standing.phase = SEALING
        self._shipper.hurry = True
        self._shipper.own(self._lease, copying.number, None)
        barrier = Operation(-1, 0, 0, fua=False)
        self._clients.wait_for_blob(barrier)
        self._drained = barrier if barrier.waits & REMOTE else None
        self._shipper.open = True
        return [*commands]

"""One protected volume: tap in front, volume beside, blob behind, machine in the middle."""

import errno
from collections.abc import Callable
from itertools import count

from engine.core.messages import (
    Event,
    FlushRequested,
    LocalDone,
    LocalFailed,
    LocalFlush,
    LocalResize,
    LocalWrite,
    LocalZero,
    MarkClean,
    MarkDirty,
    Note,
    PointRequested,
    ReadVolume,
    Reply,
    ResizeRequested,
    VolumeRead,
    VolumeReadFailed,
    WriteRequested,
    ZeroRequested,
)
from engine.core.primary import ENDED, Phase, PrimaryMachine
from engine.shell.bitmap_keeper import REST_SECONDS, BitmapKeeper
from engine.shell.dirty_bitmap import DirtyBitmap
from engine.shell.machine_host import Blob, Emit, MachineHost
from engine.shell.node_state import NodeState
from engine.shell.tap_handler import Done, Payload
from engine.shell.volume import Volume


class PrimaryVolume(MachineHost):
    """A `TapHandler` whose operations go through the core machine."""

    def __init__(
        self,
        machine: PrimaryMachine,
        volume: Volume,
        bitmap: DirtyBitmap,
        blob: Blob,
        state: NodeState,
        emit: Emit,
        connections: int,
        niceness: int = 0,
    ) -> None:
        super().__init__(volume.name, machine, blob, state, emit, connections, niceness)
        self.machine = machine
        self.volume = volume
        self.size_bytes = volume.size_bytes
        self.ended: Callable[[Phase], None] = lambda _: None
        self.owned: Callable[[], None] = lambda: None
        self.dirty_at_start = bitmap.dirty()
        self._bitmap = BitmapKeeper(
            bitmap,
            volume.name,
            answer=lambda event: self._in_loop(self.deliver, event),
            answer_now=self.post,
            bug=lambda bug: self._in_loop(self._raise_bug, bug),
        )
        self._ops = count(1)
        self._clients: dict[int, Done] = {}
        self.actions |= {
            LocalWrite: self._write_volume,
            LocalZero: self._zero_volume,
            LocalFlush: self._flush_volume,
            LocalResize: self._resize_volume,
            MarkDirty: self._bitmap.mark_dirty,
            MarkClean: self._mark_clean,
            ReadVolume: self._read_volume,
            Reply: self._reply,
        }

    def close(self) -> None:
        """Stop at once, with what is known to be clean written down."""
        super().close()
        self._bitmap.close()

    # ── the tap's side ────────────────────────────────────────────────────────────────────────

    def read(self, offset: int, length: int) -> bytes:
        """Read the volume."""
        if offset + length > self.size_bytes:
            raise OSError(errno.EINVAL, "past the end of a disk that was shrunk")
        return self.volume.read(offset, length)

    def write(self, offset: int, data: Payload, fua: bool, done: Done) -> None:
        """A client writes."""
        length = len(data)
        if offset + length > self.size_bytes:
            done(errno.ENOSPC)
            return
        self.begin_burst()
        op = next(self._ops)
        self._clients[op] = done
        self.deliver(WriteRequested(op, offset, length, data, fua))

    def zero(self, offset: int, length: int, fua: bool, done: Done) -> None:
        """A client trims or writes zeroes."""
        if offset + length > self.size_bytes:
            done(errno.ENOSPC)
            return
        self.begin_burst()
        op = next(self._ops)
        self._clients[op] = done
        self.deliver(ZeroRequested(op, offset, length, fua))

    def flush(self, done: Done) -> None:
        """A client flushes."""
        op = next(self._ops)
        self._clients[op] = done
        self.deliver(FlushRequested(op))

    # ── the operator's side ───────────────────────────────────────────────────────────────────

    def resize(self, volume_bytes: int, done: Done) -> None:
        """Give volume and disk another size; `done` when the blob has it too."""
        op = next(self._ops)
        self._clients[op] = done
        self.deliver(ResizeRequested(op, volume_bytes))

    def take_point(self, done: Done) -> None:
        """Take a recovery point; `done` when it is listed."""
        op = next(self._ops)
        self._clients[op] = done
        self.deliver(PointRequested(op))

    # ── the machine's side ────────────────────────────────────────────────────────────────────

    def _write_volume(self, command: LocalWrite) -> None:
        """Into the page cache: microseconds, so not worth a thread; answered after this burst."""
        op, payload = command.op, command.payload
        assert isinstance(payload, Payload)
        try:
            self.volume.write(command.offset, payload)
        except OSError as error:
            self.post(LocalFailed(op, error.errno or errno.EIO))
        else:
            self.post(LocalDone(op))

    def _zero_volume(self, command: LocalZero) -> None:
        self._locally(command.op, lambda: self.volume.zero(command.offset, command.length))

    def _locally(self, op: int, act: Callable[[], None]) -> None:
        """Like a write."""
        try:
            act()
        except OSError as error:
            self.post(LocalFailed(op, error.errno or errno.EIO))
        else:
            self.post(LocalDone(op))

    def _resize_volume(self, command: LocalResize) -> None:
        """In turn with the writes: one that comes later must find the new size."""

        def act() -> None:
            self.volume.resize(command.volume_bytes)
            self.size_bytes = command.volume_bytes
            self._bitmap.resize(command.volume_bytes)

        self._locally(command.op, act)

    def _mark_clean(self, command: MarkClean) -> None:
        self._bitmap.mark_clean(command)
        self._loop.call_later(REST_SECONDS, self._bitmap.tick)

    def _flush_volume(self, command: LocalFlush) -> None:
        def work() -> Event:
            try:
                self.volume.flush()
            except OSError as error:
                return LocalFailed(command.op, error.errno or errno.EIO)
            return LocalDone(command.op)

        self.in_background(work)

    def _read_volume(self, command: ReadVolume) -> None:
        def work() -> Event:
            try:
                part = self.volume.read_written(command.offset, command.limit)
            except OSError as error:
                return VolumeReadFailed(command.id, error.errno or errno.EIO)
            return VolumeRead(command.id, part.runs, part.next_offset)

        self.in_background(work)

    def _reply(self, reply: Reply) -> None:
        done = self._clients.pop(reply.op, None)
        if done is not None:
            done(reply.error)

    def about_to_tell(self, note: Note) -> None:
        """Whoever hears "protected" may count on a resync after a crash."""
        if note.name == Phase.RUNNING:
            self._bitmap.trust()

    def noted(self, note: Note) -> None:
        """Keep the record of an orderly stop; tell the process of ownership and of an ending."""
        if note.name not in tuple(Phase):
            return
        phase = Phase(note.name)
        if phase is Phase.STOPPED:
            etag = dict(note.fields).get("etag", "")
            if etag:
                self._state.record_stop(self.name, str(etag), self.volume.fingerprint())
        if phase in (Phase.SEEDING, Phase.RESYNCING, Phase.RUNNING):
            self.owned()
        if phase in ENDED:
            self.ended(phase)

"""Seeding and resync: copy the volume, or what of it is dirty, into a blob that is marked.

Passes: the first walks the volume once, in order, sending only what is written; writes that arrive
behind the cursor make their region dirty, and further passes send the dirty regions. A resync knows
the dirty regions from the bitmap and begins with those passes, after a local flush: what it sends
must not be newer than what a power loss leaves in the volume (H28). When few are
left the primary captures new writes in its epoch queue instead (`capturing`), the last dirty
regions are copied, and once the queue is drained to that point the blob is an image the volume had
(protocol.md RESYNC; H30: hold new writes in order, drain, unmark).

Between passes a Raise makes every earlier request dead (P1); within a pass no two requests overlap.
"""

from collections import deque
from collections.abc import Callable, Collection
from enum import Enum, auto

from engine.core.extent import Extent
from engine.core.messages import (
    Clear,
    Command,
    Done,
    Failed,
    LocalFlush,
    Note,
    Part,
    Put,
    Raise,
    ReadVolume,
    Refusal,
    SetTimer,
    StoreAnswer,
    VolumeRead,
)
from engine.units import PUT_BYTES_MAX, SECOND_US

TIMER = "seed"
REGION_BYTES = PUT_BYTES_MAX
"""Dirtiness is tracked per region of this size: one request sends a region."""

CAPTURE_REGIONS = 8
"""So few dirty regions left are copied while new writes are held in order."""

CAPTURE_PASSES = 6
"""After so many passes capture anyway: the guest dirties faster than passes shrink."""

BACKOFF_US = SECOND_US // 2


class Trouble(Enum):
    """Why seeding cannot go on by itself."""

    FENCED = auto()
    BROKEN = auto()


class Seeding:
    """Copies the volume. `finished` once everything that was to be copied is in the blob."""

    def __init__(
        self,
        volume_bytes: int,
        connections: int,
        next_id: Callable[[], int],
        *,
        blob_is_zero: bool,
        dirty: Collection[int] | None = None,
    ) -> None:
        """`dirty`: only these regions are lacking; None: everything is."""
        self._volume_bytes = volume_bytes
        self._connections = connections
        self._next_id = next_id
        self._clear_holes = not blob_is_zero
        self._first_pass = dirty is None
        self._passes = 1 if dirty is None else 0
        self._cursor = 0 if dirty is None else volume_bytes
        self._flush_first = dirty is not None
        self._flushing = 0
        self._lacking = len(dirty) if dirty is not None else 0
        self._regions: deque[tuple[int, int]] = deque()
        self._dirty: set[int] = set(dirty or ())
        self._reading: tuple[int, int, int] | None = None
        self._during_read: list[tuple[int, int]] = []
        self._ready: deque[Extent] = deque()
        self._in_flight: dict[int, Extent] = {}
        self._writing = 0
        self._raise_first = False
        self._raising = -1
        self._wait_until_us = 0
        self._lease = ""
        self.number = 0
        self.capturing = False
        self.held = False
        """Nothing is begun any more: the blob is about to change."""
        self.finished = False
        self.trouble: Trouble | None = None
        self.detail = ""
        self.bytes_sent = 0

    def own(self, lease: str, number: int) -> None:
        """Ownership was (re)gained by a Raise: what was in flight is sent again."""
        self._lease = lease
        self.number = number
        self._ready.extendleft(self._in_flight.values())
        self._in_flight.clear()
        self._raising = -1
        self._raise_first = False
        self.trouble = None

    def is_idle(self) -> bool:
        """Whether nothing is asked of the store or the volume."""
        return (
            not (self._in_flight or self._flushing) and self._reading is None and self._raising < 0
        )

    def progress(self) -> tuple[int, int]:
        """Bytes walked in the first pass, or known to be in the blob again, and of how many."""
        if self._lacking:
            left = min(len(self._dirty) + len(self._regions), self._lacking)
            return ((self._lacking - left) * REGION_BYTES, self._lacking * REGION_BYTES)
        return (self._cursor if self._first_pass else self._volume_bytes, self._volume_bytes)

    def write_began(self, offset: int, length: int) -> None:
        """A client's write that is not captured arrived: a read may see it or not."""
        self._writing += 1
        self._dirtied(offset, length)

    def write_ended(self, now_us: int, offset: int, length: int) -> list[Command]:
        """That write is in the volume now: what was read before lacks it."""
        self._writing -= 1
        self._dirtied(offset, length)
        return self.pump(now_us)

    def _dirtied(self, offset: int, length: int) -> None:
        if self._reading is not None:
            self._during_read.append((offset, length))
        if self._first_pass and offset >= self._cursor:
            return
        self._mark(offset, length)

    def pump(self, now_us: int) -> list[Command]:
        """Read ahead and send as far as allowed."""
        out: list[Command] = []
        if self.trouble or self._raising >= 0 or now_us < self._wait_until_us or self.finished:
            return out
        if self.held:
            return out
        if self._flush_first:
            return self._flush()
        if self._raise_first:
            if not self._in_flight:
                out.append(self._raise())
            return out
        while self._ready and len(self._in_flight) < self._connections:
            out.append(self._send(self._ready.popleft()))
        if self._reading is None and len(self._ready) <= self._connections:
            out.extend(self._read_on(now_us))
        return out

    def flushed(self, now_us: int, op: int) -> list[Command]:
        """The flush of the volume is done: what is read from now on survives a power loss."""
        if op != self._flushing:
            return []
        self._flushing = 0
        self._flush_first = False
        return self.pump(now_us)

    def volume_failed(self, now_us: int, command_id: int) -> list[Command]:
        """The volume could not be read or flushed: again after a wait."""
        if self._flushing and command_id == self._flushing:
            self._flushing = 0
        elif self._reading is not None and command_id == self._reading[0]:
            _, start, end = self._reading
            self._reading = None
            self._during_read.clear()
            if not self._first_pass:
                self._regions.appendleft((start, end))
        else:
            return []
        self._wait_until_us = now_us + BACKOFF_US
        return [SetTimer(TIMER, self._wait_until_us)]

    def volume_read(self, now_us: int, event: VolumeRead) -> list[Command]:
        """A piece of the volume was read: queue it, and its holes if they must be cleared."""
        if self._reading is None or event.id != self._reading[0]:
            return []
        _, start, end = self._reading
        self._reading = None
        if self._first_pass:
            self._cursor = event.next_offset
        elif event.next_offset < end:
            self._regions.appendleft((event.next_offset, end))
        position = start
        for offset, length, payload in event.runs:
            self._hole(position, offset)
            self._ready.append(Extent(offset, length, (Part(payload, 0, length),)))
            position = offset + length
        self._hole(position, event.next_offset)
        for offset, length in self._during_read:
            if offset < event.next_offset:
                self._mark(offset, length)
        self._during_read.clear()
        return self.pump(now_us)

    def handle(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Take an answer to a put, a clear or the Raise between passes."""
        if event.id == self._raising:
            self._raising = -1
            if isinstance(event, Done):
                self._raise_first = False
                return self.pump(now_us)
            return self._trouble(now_us, event)
        extent = self._in_flight.pop(event.id, None)
        if extent is None:
            return []
        if isinstance(event, Done):
            self.bytes_sent += extent.length if extent.parts is not None else 0
            return self.pump(now_us)
        self._ready.appendleft(extent)
        return self._trouble(now_us, event)

    def handles(self, command_id: int) -> bool:
        """Whether this answer is for seeding."""
        return command_id == self._raising or command_id in self._in_flight

    # ── inside ────────────────────────────────────────────────────────────────────────────────

    def _mark(self, offset: int, length: int) -> None:
        last = (offset + length - 1) // REGION_BYTES
        self._dirty.update(range(offset // REGION_BYTES, last + 1))

    def _hole(self, start: int, end: int) -> None:
        if self._clear_holes and end > start:
            self._ready.append(Extent(start, end - start, None))

    def _read_on(self, now_us: int) -> list[Command]:
        if self._first_pass and self._cursor < self._volume_bytes:
            return [self._read(self._cursor, self._volume_bytes)]
        if self._regions:
            return [self._read(*self._regions.popleft())]
        if self._ready or self._in_flight:
            return []
        return self._next_pass(now_us)

    def _next_pass(self, now_us: int) -> list[Command]:
        """Everything of this pass is in the blob: what was dirtied meanwhile?"""
        self._first_pass = False
        if self.capturing and not self._dirty:
            self.finished = not self._writing
            return []
        self._clear_holes = True
        self._passes += 1
        if len(self._dirty) <= CAPTURE_REGIONS or self._passes > CAPTURE_PASSES:
            self.capturing = True
        for region in sorted(self._dirty):
            start = region * REGION_BYTES
            if start >= self._volume_bytes:
                continue
            self._regions.append((start, min(start + REGION_BYTES, self._volume_bytes)))
        self._dirty.clear()
        if not self._regions:
            return self.pump(now_us)
        self._raise_first = True
        return self.pump(now_us)

    def _flush(self) -> list[Command]:
        if self._flushing:
            return []
        self._flushing = -self._next_id()
        return [LocalFlush(self._flushing)]

    def _read(self, start: int, end: int) -> Command:
        command_id = self._next_id()
        self._reading = (command_id, start, end)
        return ReadVolume(command_id, start, end)

    def _send(self, extent: Extent) -> Command:
        command_id = self._next_id()
        self._in_flight[command_id] = extent
        offset, length, parts = extent.offset, extent.length, extent.parts
        if parts is None:
            return Clear(command_id, offset, length, self._lease, self.number, None)
        return Put(command_id, offset, length, parts, self._lease, self.number, None)

    def _raise(self) -> Command:
        self.number += 1
        self._raising = self._next_id()
        return Raise(self._raising, self.number, self._lease)

    def _trouble(self, now_us: int, event: StoreAnswer) -> list[Command]:
        detail = event.detail if not isinstance(event, Done) else ""
        if isinstance(event, Failed) and event.refusal in (Refusal.LEASE, Refusal.SEQUENCE):
            self.trouble, self.detail = Trouble.FENCED, detail
            return []
        if isinstance(event, Failed) and event.refusal in (Refusal.RANGE, Refusal.INVALID):
            self.trouble, self.detail = Trouble.BROKEN, detail
            return []
        if not (isinstance(event, Failed) and event.refusal is Refusal.UNREACHABLE):
            self._raise_first = True
        self._wait_until_us = now_us + BACKOFF_US
        note = Note("store-trouble", (("during", "seeding"), ("detail", detail)))
        return [note, SetTimer(TIMER, self._wait_until_us)]

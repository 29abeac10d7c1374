"""The write-intent bitmap: what of the volume the blob may lack (protocol.md P5, H28, H29).

A region's bit is durable before any write of it is issued to the volume. It is cleared only when
every put of the region is Done, a local flush issued after the last of its local writes is done,
and no newer write came meanwhile; then neither a crash nor a power loss can make blob and volume
differ there. Clearing is lazy: a region must have rested for a whole period, so that a busy guest
pays for its bits once.

A write that waits for its bit keeps its place among the overlapping ones: a later write of any of
its regions waits behind it.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable

from engine.core.messages import (
    Command,
    LocalFlush,
    MarkClean,
    MarkDirty,
    SetTimer,
    WriteRequested,
    ZeroRequested,
)
from engine.core.operations import Operation
from engine.core.settings import REGION_BYTES
from engine.units import SECOND_US

TIMER = "clean"
CLEAN_US = 3 * SECOND_US
"""So long a region rests before its bit is worth clearing."""

ClientWrite = WriteRequested | ZeroRequested
Parked = tuple[Operation, ClientWrite]


def regions_of(offset: int, length: int) -> range:
    """The regions that a range of bytes touches."""
    return range(offset // REGION_BYTES, (offset + length - 1) // REGION_BYTES + 1)


def all_regions(volume_bytes: int) -> range:
    """Every region of a volume."""
    return regions_of(0, volume_bytes)


class DirtyRegions:
    """The bits as this process knows them, and the client writes that wait for one."""

    def __init__(self, next_id: Callable[[], int]) -> None:
        self._next_id = next_id
        self._newest: dict[int, int] = {}
        self._asked: dict[int, tuple[int, ...]] = {}
        self._parked: deque[Parked] = deque()
        self._waiting: set[int] = set()
        self._spoiled: set[int] = set()
        self._rested: dict[int, int] = {}
        self._flush = 0
        self._covered: dict[int, int] = {}
        self._ticking = False
        self._all_of = 0

    def load(self, regions: Iterable[int]) -> None:
        """These bits are durable already: an earlier incarnation set them."""
        for region in regions:
            self._newest[region] = 0

    def set_all(self, volume_bytes: int) -> list[Command]:
        """Nothing is known of what the blob lacks: set every bit that is not set."""
        self._all_of = volume_bytes
        return self._ask_all()

    def are_all_set(self, volume_bytes: int) -> bool:
        """Whether every bit of a volume of this size is durable."""
        return all(region in self._newest for region in all_regions(volume_bytes))

    def regions(self) -> list[int]:
        """Every region whose bit is durable, ascending."""
        return sorted(self._newest)

    def is_waiting(self) -> bool:
        """Whether some bit was asked for and is not known to be durable."""
        return bool(self._asked)

    # ── client writes ─────────────────────────────────────────────────────────────────────────

    def admit(self, operation: Operation, event: ClientWrite) -> bool:
        """Whether the write may be issued at once; if not, `wait` keeps it."""
        touched = regions_of(operation.offset, operation.length)
        newest, waiting = self._newest, self._waiting
        for region in touched:
            if region not in newest or region in waiting:
                return False
        for region in touched:
            newest[region] = event.op
        return True

    def wait(self, operation: Operation, event: ClientWrite) -> list[Command]:
        """Keep a write until its bits are durable, and ask for those that nobody asked for."""
        operation.parked = True
        touched = regions_of(operation.offset, operation.length)
        self._parked.append((operation, event))
        out = self._ask(r for r in touched if r not in self._newest and not self._is_asked(r))
        self._waiting.update(touched)
        return out

    def durable(self, command_id: int) -> list[Parked]:
        """Bits are durable: which writes may be issued now, in their order?"""
        self.load(self._asked.pop(command_id, ()))
        if self._all_of and self.are_all_set(self._all_of):
            self._all_of = 0
        return self._released()

    def failed(self, command_id: int) -> tuple[list[Operation], list[Parked]]:
        """Bits cannot be made durable: which writes fail, and which may be issued now?"""
        missing = self._asked.pop(command_id, ())
        failing: list[Operation] = []
        kept: deque[Parked] = deque()
        for operation, event in self._parked:
            if any(r in missing for r in regions_of(operation.offset, operation.length)):
                failing.append(operation)
            else:
                kept.append((operation, event))
        self._parked = kept
        return failing, self._released()

    def drop_parked(self) -> None:
        """The machine ends: who waits was told, and nothing is issued any more."""
        self._parked.clear()
        self._waiting.clear()

    def spoil(self, offset: int, length: int) -> None:
        """A local write failed: nobody knows what the volume holds; keep the bit for good."""
        self._spoiled.update(regions_of(offset, length))

    # ── clearing ──────────────────────────────────────────────────────────────────────────────

    def arm(self, now_us: int) -> list[Command]:
        """See to it that the clearing timer runs while there is something to clear."""
        if self._ticking or not (self._newest or self._all_of):
            return []
        self._ticking = True
        return [SetTimer(TIMER, now_us + CLEAN_US)]

    def tick(self, now_us: int, busy: Collection[int] | None) -> list[Command]:
        """A period is over; `busy`: regions with writes or puts under way, None: clear nothing."""
        self._ticking = False
        out = self.arm(now_us) + self._ask_all()
        rested, self._rested = self._rested, dict(self._newest)
        if busy is None or self._flush:
            return out
        idle = {r: op for r, op in rested.items() if self._newest.get(r) == op}
        return [*out, *self.settle(busy, idle)]

    def settle(self, busy: Collection[int], among: dict[int, int] | None = None) -> list[Command]:
        """Flush the volume, then clear the bits of what is in the blob and not `busy`."""
        chosen = self._newest if among is None else among
        self._covered = {
            region: op
            for region, op in chosen.items()
            if not (region in busy or region in self._spoiled or region in self._waiting)
        }
        if not self._covered:
            return []
        self._flush = -self._next_id()
        return [LocalFlush(self._flush)]

    def is_flushing(self) -> bool:
        """Whether a flush of its own is under way."""
        return self._flush != 0

    def flushed(self, op: int) -> list[Command]:
        """Its flush is done: what got no newer write since is surely the same on both sides."""
        if op != self._flush:
            return []
        self._flush = 0
        covered, self._covered = self._covered, {}
        clean = [r for r, newest in covered.items() if self._is_settled(r, newest)]
        for region in clean:
            del self._newest[region]
        return [MarkClean(tuple(sorted(clean)))] if clean else []

    def flush_failed(self, op: int) -> None:
        """The volume could not be flushed: every bit stays."""
        if op == self._flush:
            self._flush = 0
            self._covered = {}

    def _is_settled(self, region: int, newest: int) -> bool:
        if region in self._waiting or region in self._spoiled:
            return False
        return self._newest.get(region) == newest

    # ── inside ────────────────────────────────────────────────────────────────────────────────

    def _ask(self, regions: Iterable[int]) -> list[Command]:
        wanted = tuple(regions)
        if not wanted:
            return []
        command_id = self._next_id()
        self._asked[command_id] = wanted
        return [MarkDirty(command_id, wanted)]

    def _ask_all(self) -> list[Command]:
        if not self._all_of or self._asked:
            return []
        return self._ask(r for r in all_regions(self._all_of) if r not in self._newest)

    def _is_asked(self, region: int) -> bool:
        return any(region in regions for regions in self._asked.values())

    def _released(self) -> list[Parked]:
        """Those whose bits are durable and that overtake no earlier write of their regions."""
        ready: list[Parked] = []
        kept: deque[Parked] = deque()
        self._waiting.clear()
        for operation, event in self._parked:
            touched = regions_of(operation.offset, operation.length)
            if any(r not in self._newest or r in self._waiting for r in touched):
                kept.append((operation, event))
                self._waiting.update(touched)
                continue
            operation.parked = False
            ready.append((operation, event))
            self._newest.update(dict.fromkeys(touched, event.op))
        self._parked = kept
        return ready

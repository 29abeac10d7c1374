"""A small replication core of its own, to be broken: `--core tests.sim.minimal_core:make`.

It speaks the vocabulary of engine.core.messages and keeps the metadata that failover and checkers
read. One request is under way at a time, so order is kept; sync mode only; after every start all
is sent anew. Its weakness is a classic: after a lost answer it sends the same request again and
does not raise the sequence number, so the first copy, if it is only late, lands on newer data.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.core.messages import (
    EIO,
    Acquire,
    BlobState,
    Clear,
    Command,
    Create,
    Done,
    Event,
    Failed,
    FailoverRequested,
    FlushRequested,
    Head,
    HeartbeatHeard,
    LeaseReady,
    LeaseState,
    LocalDone,
    LocalFailed,
    LocalFlush,
    LocalWrite,
    LocalZero,
    MountDisk,
    NewLease,
    Note,
    Part,
    PointRequested,
    Put,
    Raise,
    ReadVolume,
    Refusal,
    Renew,
    Reply,
    ResizeRequested,
    SetMetadata,
    SetTimer,
    Started,
    StopRequested,
    TimerFired,
    Unknown,
    VolumeRead,
    WriteRequested,
    ZeroRequested,
)
from engine.core.settings import StandbySettings, VolumeSettings
from engine.units import FOOTER_BYTES, PAGE_BYTES, SECOND_US
from engine.vhd import Footer, build_footer, disk_bytes

NOT_SUPPORTED = 95
AGAIN_US = SECOND_US // 5
LEASE_SECONDS = 15

Job = Callable[[int], Command]
"""Makes the command of the given id."""


@dataclass(frozen=True, slots=True)
class Says:
    """The status of the minimal core."""

    phase: str
    protected: bool
    lag_us: int = 0
    lag_bytes: int = 0


class Jobs:
    """Requests one after another; each is repeated until it is done."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Job, Callable[[Done], list[Command]]]] = deque()
        self.ids = 0
        self.pending = -1

    def add(self, job: Job, then: Callable[[Done], list[Command]]) -> list[Command]:
        """Do it when its turn comes."""
        self.waiting.append((job, then))
        return self.go_on()

    def go_on(self) -> list[Command]:
        """Send the first, if nothing is under way."""
        if not self.waiting or self.pending >= 0:
            return []
        self.ids += 1
        self.pending = self.ids
        return [self.waiting[0][0](self.ids)]

    def answered(self, now_us: int, event: Done | Failed | Unknown) -> list[Command]:
        """The next one, or the same again."""
        if event.id != self.pending:
            return []
        self.pending = -1
        if not isinstance(event, Done):
            return [SetTimer("again", now_us + AGAIN_US)]
        _, then = self.waiting.popleft()
        return [*then(event), *self.go_on()]


class MinimalPrimary:
    """Creates or takes the blob, sends all of the volume, then every write before it answers."""

    def __init__(self, settings: VolumeSettings) -> None:
        self.settings = settings
        self.jobs = Jobs()
        self.phase = "starting"
        self.lease = ""
        self.renewing = -1
        self.state = BlobState("", 0, 0, (), LeaseState.AVAILABLE)
        self.open: dict[int, WriteRequested | ZeroRequested | FlushRequested] = {}

    def status(self, now_us: int) -> Says:
        """Never a lag: nothing is acknowledged before it is in the blob."""
        del now_us
        return Says(self.phase, self.phase == "protected")

    def handle(  # noqa: PLR0911  # one line an event
        self, now_us: int, event: Event
    ) -> list[Command]:
        """One event."""
        match event:
            case Started():
                return self.jobs.add(self._create, lambda _: self._look())
            case TimerFired(key="renew") if self.phase != "demoted":
                self.jobs.ids += 1
                self.renewing = self.jobs.ids
                return [Renew(self.renewing, self.lease), self._next_renewal(now_us)]
            case TimerFired():
                return self.jobs.go_on()
            case Failed(refusal=Refusal.EXISTS) if self.phase == "starting":
                return self.jobs.answered(now_us, Done(event.id))
            case Failed(refusal=Refusal.LEASE) if self.phase != "starting":
                return self._demote()
            case Done() | Failed() | Unknown():
                return self.jobs.answered(now_us, event)
            case LeaseReady():
                self.lease = event.lease
                taken = self.jobs.add(self._acquire, lambda _: self._mark())
                return [*taken, self._next_renewal(now_us)]
            case VolumeRead():
                return self._send(event)
            case StopRequested():
                return [*self._demote(), Note("stopped")]
            case _:
                return self._client(event)

    def _client(self, event: Event) -> list[Command]:
        match event:
            case WriteRequested() | ZeroRequested() | FlushRequested() if self.phase == "demoted":
                return [Reply(event.op, EIO)]
            case WriteRequested(op=op, offset=offset, length=length, payload=payload):
                self.open[op] = event
                return [LocalWrite(op, offset, length, payload)]
            case ZeroRequested(op=op, offset=offset, length=length):
                self.open[op] = event
                return [LocalZero(op, offset, length)]
            case FlushRequested(op=op):
                self.open[op] = event
                return [LocalFlush(op)]
            case ResizeRequested(op=op) | PointRequested(op=op):
                return [Reply(op, NOT_SUPPORTED)]
            case LocalFailed(op=op, error=error):
                return [Reply(op, error)] if self.open.pop(op, None) else []
            case LocalDone(op=op) if op in self.open:
                return self._replicate(self.open[op])
            case _:
                return []

    # ── taking the blob ───────────────────────────────────────────────────────────────────────

    def _metadata(self, mark: str) -> tuple[tuple[str, str], ...]:
        settings = self.settings
        return tuple(sorted({
            "mp_version": "1", "mp_term": "1", "mp_owner": settings.node, "mp_mark": mark,
            "mp_volume_name": settings.name, "mp_volume_id": settings.volume_id.hex(),
            "mp_volume_bytes": str(settings.volume_bytes), "mp_mode": "sync", "mp_order": "strict",
            **({"mp_label": settings.label} if settings.label else {}),
            "mp_created": str(settings.created_unix_s),
        }.items()))  # fmt: skip

    def _length(self) -> int:
        return disk_bytes(self.settings.volume_bytes) + FOOTER_BYTES

    def _create(self, number: int) -> Command:
        return Create(number, self._length(), self._metadata("seed"), 1)

    def _look(self) -> list[Command]:
        return self.jobs.add(lambda number: Head(number, self.lease or None), self._looked)

    def _looked(self, done: Done) -> list[Command]:
        assert done.state is not None
        self.state = done.state
        if dict(done.state.metadata).get("mp_owner") != self.settings.node:
            return self._demote()
        return [NewLease(0)]

    def _acquire(self, number: int) -> Command:
        return Acquire(number, self.lease, LEASE_SECONDS, self.state.etag)

    def _next_renewal(self, now_us: int) -> SetTimer:
        return SetTimer("renew", now_us + LEASE_SECONDS * SECOND_US // 3)

    def _mark(self) -> list[Command]:
        self.phase = "seeding"
        return self.jobs.add(
            lambda number: SetMetadata(number, self._metadata("seed"), self.lease, self.state.etag),
            lambda _: [ReadVolume(0, 0, self.settings.volume_bytes)],
        )

    def _send(self, read: VolumeRead) -> list[Command]:
        out: list[Command] = []
        for offset, length, payload in read.runs:
            out += self.jobs.add(self._put(offset, length, payload), lambda _: [])
        limit = self.settings.volume_bytes
        if read.next_offset < limit:
            more = ReadVolume(0, read.next_offset, limit)
            return [*out, *self.jobs.add(lambda number: Head(number, self.lease), lambda _: [more])]
        out += self.jobs.add(self._put_footer, lambda _: [])
        return [*out, *self.jobs.add(self._raise, self._raised)]

    def _raise(self, number: int) -> Command:
        return Raise(number, self.state.number + 1, self.lease)

    def _put(self, offset: int, length: int, payload: object) -> Job:
        parts = (Part(payload, 0, length),)
        return lambda number: Put(
            number, offset, length, parts, self.lease, self.state.number, None
        )

    def _put_footer(self, number: int) -> Command:
        settings = self.settings
        size = disk_bytes(settings.volume_bytes)
        raw = build_footer(Footer(size, settings.created_unix_s, settings.volume_id))
        return self._put(size, PAGE_BYTES, raw)(number)

    def _raised(self, _done: Done) -> list[Command]:
        return self.jobs.add(lambda number: Head(number, self.lease), self._seal)

    def _seal(self, done: Done) -> list[Command]:
        assert done.state is not None
        self.state = done.state
        return self.jobs.add(
            lambda number: SetMetadata(number, self._metadata("none"), self.lease, self.state.etag),
            lambda _: self._protected(),
        )

    def _protected(self) -> list[Command]:
        self.phase = "protected"
        return [Note("protected")]

    # ── operations ────────────────────────────────────────────────────────────────────────────

    def _replicate(self, event: WriteRequested | ZeroRequested | FlushRequested) -> list[Command]:
        if isinstance(event, FlushRequested):
            return self._reply(event.op)
        if isinstance(event, WriteRequested):
            job = self._put(event.offset, event.length, event.payload)
        else:
            job = self._clear(event.offset, event.length)
        return self.jobs.add(job, lambda _: self._reply(event.op))

    def _clear(self, offset: int, length: int) -> Job:
        return lambda number: Clear(number, offset, length, self.lease, self.state.number, None)

    def _reply(self, op: int) -> list[Command]:
        return [Reply(op, 0)] if self.open.pop(op, None) else []

    def _demote(self) -> list[Command]:
        self.phase = "demoted"
        self.jobs.waiting.clear()
        opened, self.open = self.open, {}
        return [Reply(op, EIO) for op in opened]


class MinimalStandby:
    """Takes over when the primary is silent and its lease has expired."""

    def __init__(self, settings: StandbySettings) -> None:
        self.settings = settings
        self.jobs = Jobs()
        self.phase = "waiting"
        self.reason = ""
        self.lease = ""
        self.state = BlobState("", 0, 0, (), LeaseState.AVAILABLE)

    def handle(self, now_us: int, event: Event) -> list[Command]:
        """One event."""
        match event:
            case HeartbeatHeard() if self.phase in ("waiting", "watching", "refused"):
                self.phase = "watching"
                return [SetTimer("silence", now_us + self.settings.timeout_us)]
            case FailoverRequested() | TimerFired(key="silence") if self.phase != "mounted":
                self.phase = "fencing"
                return self.jobs.add(lambda number: Head(number, None), self._looked)
            case TimerFired():
                return self.jobs.go_on()
            case Failed(refusal=Refusal.LEASE | Refusal.ETAG):
                self.jobs.waiting.clear()
                self.jobs.pending = -1
                return [SetTimer("silence", now_us + SECOND_US)]
            case Done() | Failed() | Unknown():
                return self.jobs.answered(now_us, event)
            case LeaseReady():
                self.lease = event.lease
                return self.jobs.add(self._acquire, lambda _: self._fence())
            case _:
                return []

    def _looked(self, done: Done) -> list[Command]:
        assert done.state is not None
        self.state = done.state
        if dict(done.state.metadata).get("mp_mark") != "none":
            self.phase, self.reason = "refused", "nothing to fail over to"
            return []
        return [NewLease(0)]

    def _acquire(self, number: int) -> Command:
        return Acquire(number, self.lease, LEASE_SECONDS, self.state.etag)

    def _fence(self) -> list[Command]:
        """Raising the number changes the ETag, and kills what is under way."""
        higher = self.state.number + 1
        return self.jobs.add(
            lambda number: Raise(number, higher, self.lease), lambda _: self._look()
        )

    def _look(self) -> list[Command]:
        return self.jobs.add(lambda number: Head(number, self.lease), self._own)

    def _own(self, done: Done) -> list[Command]:
        assert done.state is not None
        keys = dict(done.state.metadata)
        term = int(keys["mp_term"]) + 1
        owned = {**keys, "mp_term": str(term), "mp_owner": self.settings.node}
        etag, pairs = done.state.etag, tuple(sorted(owned.items()))
        size = done.state.length - FOOTER_BYTES
        return self.jobs.add(
            lambda number: SetMetadata(number, pairs, self.lease, etag),
            lambda _: self._mount(size, term),
        )

    def _mount(self, size: int, term: int) -> list[Command]:
        self.phase = "mounted"
        return [MountDisk(size, term)]


class Minimal:
    """The system under test."""

    def primary(self, settings: VolumeSettings) -> MinimalPrimary:
        """The machine beside the volume."""
        return MinimalPrimary(settings)

    def standby(self, settings: StandbySettings) -> MinimalStandby:
        """The machine at the secondary site."""
        return MinimalStandby(settings)


def make() -> Minimal:
    """What `--core tests.sim.minimal_core:make` calls."""
    return Minimal()

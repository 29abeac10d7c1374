"""The primary of one volume: client operations in, blob requests out.

Everything revolves around `PrimaryMachine.handle`. Its life (protocol.md section 3, States):

    CREATING -> OWNING -> SEEDING -> SEALING -> RUNNING -> STOPPING -> STOPPED
                  |  ^---------- lease lost -------'
                  '-> DEMOTED (another node owns the blob), REFUSED, HALTED (needs an operator)

SEEDING copies the volume into a blob marked as unusable; SEALING drains what was captured meanwhile,
writes the footer and removes the mark in one section; from then on the blob is, after every single
request, a valid disk that the volume could have shown after a crash. Status and acknowledgements never
promise more than the phase gives (H18, H39).
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from itertools import count

from engine.core import lease_keeper, ownership, section, seeding, shipping
from engine.core.blob_metadata import BlobMetadata, Mark, new_metadata
from engine.core.epochs import Batch, EpochQueue, Order
from engine.core.lease_keeper import LeaseKeeper
from engine.core.messages import (
    EIO,
    Command,
    Create,
    Done,
    Event,
    Failed,
    FlushRequested,
    Head,
    LeaseReady,
    LocalDone,
    LocalFailed,
    LocalFlush,
    LocalWrite,
    LocalZero,
    Note,
    Refusal,
    Release,
    Reply,
    SetTimer,
    Started,
    StopRequested,
    StoreAnswer,
    TimerFired,
    Unknown,
    VolumeRead,
    VolumeReadFailed,
    WriteRequested,
    ZeroRequested,
)
from engine.core.operations import DURABLE, LOCAL, REMOTE, Operation, Operations
from engine.core.ownership import Ending, Owned, Ownership
from engine.core.primary_status import PrimaryStatus
from engine.core.section import Section
from engine.core.seeding import Seeding
from engine.core.settings import Mode, VolumeSettings
from engine.core.shipping import Shipper
from engine.units import FOOTER_BYTES, SECOND_US
from engine.vhd import Footer, build_footer, disk_bytes

CREATE_TIMER = "create"
CREATE_RETRY_US = SECOND_US


class Phase(StrEnum):
    """Where the primary is in its life."""

    OFF = "off"
    CREATING = "creating"
    OWNING = "owning"
    SEEDING = "seeding"
    SEALING = "sealing"
    RUNNING = "protected"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEMOTED = "demoted"
    REFUSED = "refused"
    HALTED = "halted"


ENDED = (Phase.STOPPED, Phase.DEMOTED, Phase.REFUSED, Phase.HALTED)
"""Phases that only a new process leaves: every client operation fails, nothing is sent."""


class PrimaryMachine:
    """Decides for one volume; owns no clock, no randomness, no I/O."""

    def __init__(self, settings: VolumeSettings) -> None:
        self._settings = settings
        self._disk_bytes = disk_bytes(settings.volume_bytes)
        self._ids: Iterator[int] = count(1)
        self._queue = EpochQueue(settings.order)
        self._operations = Operations(settings.mode, self._may_acknowledge)
        self._shipper = Shipper(
            self._queue,
            settings.connections,
            self._next_id,
            self._finished,
            linger_us=settings.linger_us(),
        )
        self._ownership = Ownership(settings.node, settings.lease_seconds, self._next_id)
        self._keeper = LeaseKeeper(settings.lease_seconds, self._next_id)
        self._seeding: Seeding | None = None
        self._section: Section | None = None
        self._metadata: BlobMetadata | None = None
        self._started = Started()
        self._creating = -1
        self._leaving = -1
        self._last_etag = ""
        self._fresh_blob = False
        self._sealed = False
        self._lease = ""
        self._drained: Operation | None = None
        self._replies: list[Command] = []
        self._now_us = 0
        self.phase = Phase.OFF
        self.reason = ""

    def handle(self, now_us: int, event: Event) -> list[Command]:
        """Take one event, decide, return what is to be done. The only entry."""
        self._now_us = now_us
        if self.phase in ENDED:
            return self._turn_away(event)
        match event:
            case LocalDone():
                return self._local_done(now_us, event.op)
            case WriteRequested() | ZeroRequested():
                return self._write(now_us, event)
            case Done() | Failed() | Unknown():
                return self._answer(now_us, event)
            case FlushRequested():
                return self._flush(event.op)
            case TimerFired():
                return self._timer(now_us, event.key)
            case VolumeRead() if self._seeding is not None:
                return self._after_seeding_step(now_us, self._seeding.volume_read(now_us, event))
            case LeaseReady():
                return self._after_owning(now_us, self._ownership.handle(now_us, event))
            case LocalFailed():
                return self._local_failed(event)
            case VolumeReadFailed():
                return self._halt(f"the volume cannot be read (errno {event.error})")
            case Started():
                return self._start(event)
            case StopRequested():
                return self._stop(now_us)
            case _:
                return []

    def status(self, now_us: int) -> PrimaryStatus:
        """What may honestly be said now."""
        oldest = self._oldest_us()
        walked, whole = self._seeding.progress() if self._seeding else (0, 0)
        return PrimaryStatus(
            phase=self.phase.value,
            reason=self.reason,
            protected=self.phase is Phase.RUNNING and self._keeper.holds(now_us),
            authority_left_us=max(0, self._keeper.authority_us - now_us),
            lag_us=0 if oldest is None else now_us - oldest,
            lag_bytes=self._lag_bytes(),
            puts_in_flight=self._shipper.in_flight(),
            operations_open=len(self._operations),
            operations_held=self._operations.held(),
            acknowledged=self._operations.acknowledged,
            puts_done=self._shipper.puts_done,
            bytes_done=self._shipper.bytes_done,
            puts_refused=self._shipper.puts_refused,
            puts_unknown=self._shipper.puts_unknown,
            seeded_bytes=walked,
            seed_bytes=whole,
        )

    def _turn_away(self, event: Event) -> list[Command]:
        if isinstance(event, WriteRequested | ZeroRequested | FlushRequested):
            return [Reply(event.op, EIO)]
        return []

    # ── client operations ─────────────────────────────────────────────────────────────────────

    def _write(self, now_us: int, event: WriteRequested | ZeroRequested) -> list[Command]:
        operation = Operation(event.op, event.offset, event.length, fua=event.fua)
        if event.fua:
            operation.waits |= DURABLE
        self._operations.begin(operation)
        payload = event.payload if isinstance(event, WriteRequested) else None
        if self._captures():
            self._capture(now_us, operation, payload)
        elif self._seeding is not None:
            self._seeding.write_began(event.offset, event.length)
        if isinstance(event, ZeroRequested):
            return [LocalZero(event.op, event.offset, event.length)]
        return [LocalWrite(event.op, event.offset, event.length, payload)]

    def _capture(self, now_us: int, operation: Operation, payload: object) -> None:
        """Queue the write; a FUA write ends its epoch, for a later write may rely on it."""
        mode = self._settings.mode
        epoch = self._queue.write(
            now_us, operation.offset, operation.length, payload, barrier=operation.fua
        )
        operation.epoch = epoch
        if mode is Mode.SYNC or (operation.fua and mode is Mode.SYNC_ON_FLUSH):
            operation.waits |= REMOTE
            epoch.waiters.append(operation)

    def _flush(self, op: int) -> list[Command]:
        operation = Operation(op, 0, 0, fua=False)
        operation.waits = DURABLE
        self._operations.begin(operation)
        if self._captures():
            if self._settings.order is Order.FLUSH:
                self._queue.seal()
            if self._settings.mode is not Mode.ASYNC:
                self._wait_for_blob(operation)
        return [LocalFlush(op)]

    def _wait_for_blob(self, operation: Operation) -> None:
        """Make the operation wait for everything that was captured so far."""
        last = self._queue.last()
        if last is not None:
            last.waiters.append(operation)
        elif self._shipper.batch is not None:
            self._shipper.batch.waiters.append(operation)
        else:
            return
        operation.waits |= REMOTE

    def _local_done(self, now_us: int, op: int) -> list[Command]:
        operation = self._operations.get(op)
        if operation is None:
            return []
        first = operation.waits & LOCAL
        out = self._operations.local_done(now_us, operation)
        if first and operation.epoch is None and self._seeding is not None:
            ended = self._seeding.write_ended(now_us, operation.offset, operation.length)
            out += self._after_seeding_step(now_us, ended)
        if first:
            out += self._pump(now_us)
        return out

    def _local_failed(self, event: LocalFailed) -> list[Command]:
        """The volume refused: the client hears of it; a captured write stays in the queue (legal:
        an unacknowledged write may be there or not)."""
        operation = self._operations.get(event.op)
        if operation is None:
            return []
        note = Note("local-error", (("errno", event.error), ("offset", operation.offset)))
        return [*self._operations.fail(operation, event.error), note]

    def _captures(self) -> bool:
        """Whether writes go to the epoch queue (else only seeding has to see them)."""
        if self.phase in (Phase.RUNNING, Phase.SEALING):
            return True
        if self._seeding is not None:
            return self._seeding.capturing
        return self._sealed

    def _may_acknowledge(self, now_us: int) -> bool:
        """Asynchronous mode: is authority sure, and is the lag within its bounds?"""
        if self.phase in (Phase.CREATING, Phase.SEEDING) or not self._sealed:
            return self._lag_bytes() <= self._settings.max_lag_bytes
        if not self._keeper.holds(now_us) or self.phase not in (Phase.RUNNING, Phase.STOPPING):
            return False
        if self._lag_bytes() > self._settings.max_lag_bytes:
            return False
        oldest = self._oldest_us()
        # Half the bound: the other half is for what was acknowledged already to arrive.
        return oldest is None or now_us - oldest <= self._settings.max_lag_us // 2

    def _oldest_us(self) -> int | None:
        batch = self._shipper.batch
        return batch.oldest_us if batch is not None else self._queue.oldest_us()

    def _lag_bytes(self) -> int:
        return self._queue.size + self._shipper.unsent_bytes()

    def _finished(self, batch: Batch) -> None:
        """The shipper: a batch is known to be in the blob."""
        for waiter in batch.waiters:
            if waiter is self._drained:
                self._drained = None
            elif isinstance(waiter, Operation):
                self._replies += self._operations.remote_done(self._now_us, waiter)

    def _pump(self, now_us: int) -> list[Command]:
        """Send what may be sent, answer what may be answered, finish what waits for emptiness."""
        return self._settle(now_us, self._shipper.pump(now_us))

    # ── answers and timers ────────────────────────────────────────────────────────────────────

    def _answer(self, now_us: int, event: StoreAnswer) -> list[Command]:
        if self._keeper.handles(event.id):
            return self._renewed(now_us, event)
        if self.phase is Phase.OWNING:
            return self._after_owning(now_us, self._ownership.handle(now_us, event))
        if event.id == self._creating:
            return self._created(now_us, event)
        if event.id == self._leaving:
            return self._leave(event)
        if self._section is not None and self._section.handles(event.id):
            return self._after_section_step(now_us, self._section.handle(now_us, event))
        if self._seeding is not None and self._seeding.handles(event.id):
            return self._after_seeding_step(now_us, self._seeding.handle(now_us, event))
        return self._settle(now_us, self._shipper.handle(now_us, event))

    def _timer(self, now_us: int, key: str) -> list[Command]:
        if key == shipping.TIMER:
            return self._pump(now_us)
        if key == lease_keeper.TIMER:
            return self._keeper.timer(now_us)
        if key == ownership.TIMER and self.phase is Phase.OWNING:
            return self._after_owning(now_us, self._ownership.timer(now_us))
        if key == seeding.TIMER and self._seeding is not None:
            return self._after_seeding_step(now_us, self._seeding.pump(now_us))
        if key == section.TIMER and self._section is not None:
            return self._section.timer()
        if key == CREATE_TIMER and self.phase is Phase.CREATING:
            return self._create()
        return []

    def _settle(self, now_us: int, commands: list[Command]) -> list[Command]:
        out = commands
        if self._replies:
            out = [*out, *self._replies]
            self._replies = []
        if self._operations.held():
            out = [*out, *self._operations.release(now_us)]
        if self._shipper.trouble is not None:
            return [*out, *self._shipper_trouble(now_us)]
        if self.phase is Phase.SEALING and self._section is None:
            return [*out, *self._seal_when_drained()]
        if self.phase is Phase.STOPPING:
            return [*out, *self._release_when_drained()]
        return out

    def _shipper_trouble(self, now_us: int) -> list[Command]:
        trouble, detail = self._shipper.trouble, self._shipper.detail
        if trouble is shipping.Trouble.FENCED:
            return self._fenced(now_us, detail)
        return self._halt(detail)

    # ── the way to protection ─────────────────────────────────────────────────────────────────

    def _start(self, event: Started) -> list[Command]:
        self._started = event
        self.phase = Phase.CREATING
        return self._create()

    def _create(self) -> list[Command]:
        self._creating = self._next_id()
        pairs = new_metadata(self._settings).to_map()
        return [Create(self._creating, self._disk_bytes + FOOTER_BYTES, pairs, 0)]

    def _created(self, now_us: int, event: StoreAnswer) -> list[Command]:
        self._creating = -1
        if isinstance(event, Failed) and event.refusal is not Refusal.EXISTS:
            note = Note("store-trouble", (("during", "creating"), ("detail", event.detail)))
            return [note, SetTimer(CREATE_TIMER, now_us + CREATE_RETRY_US)]
        self._fresh_blob = isinstance(event, Done)
        self.phase = Phase.OWNING
        return self._ownership.start(now_us, previous_lease=self._started.previous_lease)

    def _after_owning(self, now_us: int, commands: list[Command]) -> list[Command]:
        ending = self._ownership.ending
        if ending is None or self.phase is not Phase.OWNING:
            return commands
        self._ownership.ending = None
        if ending is Ending.OWNED:
            assert self._ownership.owned is not None
            return [*commands, *self._owned(now_us, self._ownership.owned)]
        if ending is Ending.FOREIGN:
            return [*commands, *self._demote(self._ownership.detail)]
        return [*commands, *self._refuse(self._ownership.detail or "the blob is gone")]

    def _owned(self, now_us: int, owned: Owned) -> list[Command]:
        self._lease = owned.lease
        known = self._metadata
        if known is not None and known.term != owned.metadata.term:
            return self._demote("another node owned the blob meanwhile")
        self._metadata = owned.metadata
        out = self._keeper.keep(now_us, owned.lease, owned.authority_us)
        if known is None:
            return [*out, *self._first_owned(now_us, owned)]
        return [*out, *self._owned_again(now_us, owned)]

    def _first_owned(self, now_us: int, owned: Owned) -> list[Command]:
        """This incarnation owns the blob for the first time: in what state was it left?"""
        metadata, length = owned.metadata, self._disk_bytes + FOOTER_BYTES
        if metadata.volume_bytes != self._settings.volume_bytes or owned.state.length != length:
            return self._refuse(
                f"the volume has {self._settings.volume_bytes} bytes but the blob holds a volume of"
                f" {metadata.volume_bytes}: this version cannot resize; choose another blob name"
            )
        if metadata.mark is Mark.SEED:
            return self._seed(now_us, owned.number, blob_is_zero=self._fresh_blob)
        if metadata.mark is not Mark.NONE or metadata.intent:
            return self._refuse("the blob is in the middle of a change this version cannot finish")
        if self._started.clean_etag and self._started.clean_etag == owned.etag_found:
            self._sealed = True
            return self._run(now_us, owned.number, owned.state.etag)
        if self._started.reseed:
            target = replace(metadata, mark=Mark.SEED)
            return self._enter_section(target, None, owned.number)
        return self._refuse(
            "the engine did not stop in order, so what the blob lacks is unknown; restart with"
            " --reseed to send the volume anew (the blob cannot be failed over to meanwhile)"
        )

    def _owned_again(self, now_us: int, owned: Owned) -> list[Command]:
        """The lease had lapsed but nobody took over: memory stays valid (section 3, States)."""
        if self._section is not None:
            target, self._section = self._section.target, None
            return self._enter_section(target, self._footer_of(target), owned.number)
        if self._sealed:
            return self._run(now_us, owned.number, owned.state.etag)
        assert self._seeding is not None
        if self._seeding.finished:
            self._shipper.own(self._lease, owned.number, owned.state.etag)
            self.phase = Phase.SEALING
            return self._pump(now_us)
        self.phase = Phase.SEEDING
        self._seeding.own(self._lease, owned.number)
        return self._after_seeding_step(now_us, self._seeding.pump(now_us))

    def _seed(self, now_us: int, number: int, *, blob_is_zero: bool) -> list[Command]:
        self.phase = Phase.SEEDING
        self.reason = "first copy under way: the blob cannot be failed over to yet"
        size, connections = self._settings.volume_bytes, self._settings.connections
        self._seeding = Seeding(size, connections, self._next_id, blob_is_zero=blob_is_zero)
        for operation in self._operations.uncaptured():
            self._seeding.write_began(operation.offset, operation.length)
        self._seeding.own(self._lease, number)
        return [Note("seeding"), *self._after_seeding_step(now_us, self._seeding.pump(now_us))]

    def _after_seeding_step(self, now_us: int, commands: list[Command]) -> list[Command]:
        copying = self._seeding
        if copying is None or self.phase is not Phase.SEEDING:
            return commands
        if copying.trouble is seeding.Trouble.FENCED:
            return [*commands, *self._fenced(now_us, copying.detail)]
        if copying.trouble is seeding.Trouble.BROKEN:
            return [*commands, *self._halt(copying.detail)]
        if not copying.finished:
            return commands
        self.phase = Phase.SEALING
        self._shipper.hurry = True
        self._shipper.own(self._lease, copying.number, None)
        barrier = Operation(-1, 0, 0, fua=False)
        self._wait_for_blob(barrier)
        self._drained = barrier if barrier.waits & REMOTE else None
        self._shipper.open = True
        return [*commands, *self._pump(now_us)]

    def _seal_when_drained(self) -> list[Command]:
        """What was captured before the last copy is in the blob: it is an image of the volume."""
        if self._drained is not None:
            return []
        self._shipper.open = False
        if not self._shipper.is_idle():
            return []
        assert self._metadata is not None
        target = replace(self._metadata, mark=Mark.NONE)
        return self._enter_section(target, self._footer_of(target), self._shipper.number)

    def _footer_of(self, target: BlobMetadata) -> bytes | None:
        if target.mark is Mark.SEED:
            return None
        made = self._settings.created_unix_s
        return build_footer(Footer(self._disk_bytes, made, self._settings.volume_id))

    def _enter_section(
        self, target: BlobMetadata, footer: bytes | None, number: int
    ) -> list[Command]:
        self.phase = Phase.SEALING
        self._section = Section(
            target, self._disk_bytes, footer, self._lease, number, self._next_id
        )
        return self._section.start()

    def _after_section_step(self, now_us: int, commands: list[Command]) -> list[Command]:
        change = self._section
        assert change is not None
        if change.fenced:
            return [*commands, *self._fenced(now_us, change.detail)]
        if not change.is_finished():
            return commands
        self._section = None
        self._metadata = change.target
        if change.target.mark is Mark.SEED:
            return [*commands, *self._seed(now_us, change.number, blob_is_zero=False)]
        self._sealed = True
        self._seeding = None
        return [*commands, *self._run(now_us, change.number, change.etag)]

    def _run(self, now_us: int, number: int, etag: str) -> list[Command]:
        self.phase = Phase.RUNNING
        self.reason = ""
        self._shipper.own(self._lease, number, etag)
        self._shipper.open = True
        self._shipper.hurry = False
        return [Note("protected", (("number", number),)), *self._pump(now_us)]

    # ── trouble and the end ───────────────────────────────────────────────────────────────────

    def _renewed(self, now_us: int, event: StoreAnswer) -> list[Command]:
        out = self._keeper.handle(now_us, event)
        if self._keeper.lost:
            detail = event.detail if isinstance(event, Failed) else ""
            return [*out, *self._fenced(now_us, detail)]
        return [*out, *self._operations.release(now_us)]

    def _fenced(self, now_us: int, detail: str) -> list[Command]:
        """The lease is not ours any more: stop acknowledging, find out who owns the blob."""
        if self.phase is Phase.OWNING:
            return []
        if self.phase is Phase.STOPPING:
            return self._end(Phase.STOPPED, "the lease was lost while stopping: " + detail)
        self._keeper.forget()
        self._shipper.trouble = shipping.Trouble.FENCED
        if self._seeding is not None:
            self._seeding.trouble = seeding.Trouble.FENCED
        self.phase = Phase.OWNING
        self.reason = f"the lease was lost: {detail}"
        fields = (("detail", detail), ("puts_refused", self._shipper.puts_refused))
        return [Note("fenced", fields), *self._ownership.start(now_us)]

    def _demote(self, detail: str) -> list[Command]:
        return self._end(Phase.DEMOTED, detail)

    def _refuse(self, detail: str) -> list[Command]:
        return self._end(Phase.REFUSED, detail)

    def _halt(self, detail: str) -> list[Command]:
        return self._end(Phase.HALTED, detail)

    def _end(self, phase: Phase, detail: str) -> list[Command]:
        self.phase = phase
        self.reason = detail
        self._keeper.forget()
        self._shipper.open = False
        fields = (("reason", detail), ("etag", self._last_etag))
        return [Note(phase.value, fields), *self._operations.fail_all()]

    def _stop(self, now_us: int) -> list[Command]:
        if self.phase is not Phase.RUNNING:
            return self._end(Phase.STOPPED, f"stopped while {self.phase.value}")
        self.phase = Phase.STOPPING
        self._shipper.hurry = True
        return self._pump(now_us)

    def _release_when_drained(self) -> list[Command]:
        if not (self._queue.is_empty() and self._shipper.is_idle()) or self._leaving >= 0:
            return []
        if len(self._operations) > self._operations.held():
            return []
        self._leaving = self._next_id()
        return [Head(self._leaving, self._lease)]

    def _leave(self, event: StoreAnswer) -> list[Command]:
        """Remember the ETag, by which the next start knows that nothing changed; then release."""
        if isinstance(event, Done) and event.state is not None:
            self._last_etag = event.state.etag
            self._leaving = self._next_id()
            return [Release(self._leaving, self._lease)]
        return self._end(Phase.STOPPED, "stopped in order")

    def _next_id(self) -> int:
        return next(self._ids)

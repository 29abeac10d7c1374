"""The way to protection: create, own, seed and seal the blob, or go on with a clean one.

    CREATING -> OWNING -> SEEDING -> SEALING -> RUNNING

SEEDING copies the volume into a blob marked as unusable; SEALING drains what was captured
meanwhile, writes the footer and removes the mark in one section. When the lease was lost,
`own_again` starts at OWNING and returns to where it was, with memory kept, unless another node
owned the blob meanwhile.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from engine.core import ownership, section, seeding
from engine.core.blob_metadata import BlobMetadata, Mark, new_metadata
from engine.core.clients import Clients
from engine.core.epochs import Batch
from engine.core.lease_keeper import LeaseKeeper
from engine.core.messages import (
    Command,
    Create,
    Done,
    Failed,
    LeaseReady,
    Note,
    Refusal,
    SetTimer,
    Started,
    StoreAnswer,
    VolumeRead,
)
from engine.core.operations import REMOTE, Operation
from engine.core.ownership import Ending, Owned, Ownership
from engine.core.primary_status import Phase, Standing
from engine.core.section import Section
from engine.core.seeding import Seeding
from engine.core.settings import VolumeSettings
from engine.core.shipping import Shipper
from engine.units import FOOTER_BYTES, SECOND_US
from engine.vhd import Footer, build_footer, disk_bytes

CREATE_TIMER = "create"
CREATE_RETRY_US = SECOND_US

End = Callable[[Phase, str], list[Command]]
Fenced = Callable[[int, str], list[Command]]


class Protecting:
    """Takes its events only while the phase is one of the above; `lease` is the one now owned.

    `end` is called to end the machine, `fenced` when the lease turns out to be lost.
    """

    def __init__(
        self,
        settings: VolumeSettings,
        standing: Standing,
        clients: Clients,
        shipper: Shipper,
        keeper: LeaseKeeper,
        next_id: Callable[[], int],
        *,
        end: End,
        fenced: Fenced,
    ) -> None:
        self._settings = settings
        self._standing = standing
        self._clients = clients
        self._shipper = shipper
        self._keeper = keeper
        self._next_id = next_id
        self._end = end
        self._fenced = fenced
        self._disk_bytes = disk_bytes(settings.volume_bytes)
        self._ownership = Ownership(settings.node, settings.lease_seconds, next_id)
        self._seeding: Seeding | None = None
        self._section: Section | None = None
        self._metadata: BlobMetadata | None = None
        self._started = Started()
        self._creating = -1
        self._fresh_blob = False
        self._sealed = False
        self._drained: Operation | None = None
        self.lease = ""

    # ── interface ─────────────────────────────────────────────────────────────────────────────

    def start(self, event: Started) -> list[Command]:
        """The process is up. A blob that may be clean is treated as usable at once."""
        self._started = event
        self._clients.capturing = self._clients.guarded = bool(event.clean_etag)
        return self._create()

    def own_again(self, now_us: int) -> list[Command]:
        """The lease was lost: find out who owns the blob; send nothing until it is ours."""
        if self._seeding is not None:
            self._seeding.trouble = seeding.Trouble.FENCED
        self._standing.phase = Phase.OWNING
        return self._ownership.start(now_us)

    def answer(self, now_us: int, event: StoreAnswer) -> list[Command] | None:
        """Take an answer; None: it is not for this part."""
        if self._standing.phase is Phase.OWNING:
            return self._after_owning(now_us, self._ownership.handle(now_us, event))
        if event.id == self._creating:
            return self._created(now_us, event)
        if self._section is not None and self._section.handles(event.id):
            return self._after_section_step(now_us, self._section.handle(now_us, event))
        if self._seeding is not None and self._seeding.handles(event.id):
            return self._after_seeding_step(now_us, self._seeding.handle(now_us, event))
        return None

    def timer(self, now_us: int, key: str) -> list[Command]:
        """A timer of this part is due; any other key is none of it."""
        phase = self._standing.phase
        if key == ownership.TIMER and phase is Phase.OWNING:
            return self._after_owning(now_us, self._ownership.timer(now_us))
        if key == seeding.TIMER and self._seeding is not None:
            return self._after_seeding_step(now_us, self._seeding.pump(now_us))
        if key == section.TIMER and self._section is not None and phase is Phase.SEALING:
            return self._section.timer()
        if key == CREATE_TIMER and phase is Phase.CREATING:
            return self._create()
        return []

    def lease_ready(self, now_us: int, event: LeaseReady) -> list[Command]:
        """A fresh lease id is durable."""
        return self._after_owning(now_us, self._ownership.handle(now_us, event))

    def volume_read(self, now_us: int, event: VolumeRead) -> list[Command]:
        """A piece of the volume was read."""
        if self._seeding is None:
            return []
        return self._after_seeding_step(now_us, self._seeding.volume_read(now_us, event))

    def flushed(self, now_us: int, op: int) -> list[Command]:
        """A flush of the machine's own is done."""
        if self._seeding is None:
            return []
        return self._after_seeding_step(now_us, self._seeding.flushed(now_us, op))

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
        return self._after_seeding_step(now_us, ended)

    def in_blob(self, batch: Batch) -> None:
        """A batch is known to be in the blob: is it the one that sealing waits for?"""
        if self._drained is not None and self._drained in batch.waiters:
            self._drained = None

    def seal_when_drained(self) -> list[Command]:
        """What was captured before the last copy is in the blob: it is an image of the volume."""
        if self._standing.phase is not Phase.SEALING or self._section is not None:
            return []
        if self._drained is not None:
            return []
        self._shipper.open = False
        if not self._shipper.is_idle():
            return []
        assert self._metadata is not None
        return self._enter_section(self._declared(self._metadata), self._shipper.number)

    def progress(self) -> tuple[int, int]:
        """Bytes walked in the first pass of seeding, of how many; zeros when not seeding."""
        return self._seeding.progress() if self._seeding else (0, 0)

    # ── creating and owning ───────────────────────────────────────────────────────────────────

    def _create(self) -> list[Command]:
        self._standing.phase = Phase.CREATING
        self._creating = self._next_id()
        pairs = new_metadata(self._settings).to_map()
        return [Create(self._creating, self._disk_bytes + FOOTER_BYTES, pairs, 0)]

    def _created(self, now_us: int, event: StoreAnswer) -> list[Command]:
        self._creating = -1
        exists = isinstance(event, Failed) and event.refusal is Refusal.EXISTS
        if not isinstance(event, Done) and not exists:
            # Unknown too: if it was applied, or is later, the next attempt finds the blob there.
            note = Note("store-trouble", (("during", "creating"), ("detail", event.detail)))
            return [note, SetTimer(CREATE_TIMER, now_us + CREATE_RETRY_US)]
        self._fresh_blob = not exists
        self._standing.phase = Phase.OWNING
        return self._ownership.start(now_us, previous_lease=self._started.previous_lease)

    def _after_owning(self, now_us: int, commands: list[Command]) -> list[Command]:
        ending = self._ownership.ending
        if ending is None or self._standing.phase is not Phase.OWNING:
            return commands
        self._ownership.ending = None
        if ending is Ending.OWNED:
            assert self._ownership.owned is not None
            return [*commands, *self._owned(now_us, self._ownership.owned)]
        if ending is Ending.FOREIGN:
            return [*commands, *self._end(Phase.DEMOTED, self._ownership.detail)]
        detail = self._ownership.detail or "the blob is gone"
        return [*commands, *self._end(Phase.REFUSED, detail)]

    def _owned(self, now_us: int, owned: Owned) -> list[Command]:
        self.lease = owned.lease
        known = self._metadata
        if known is not None and known.term != owned.metadata.term:
            return self._end(Phase.DEMOTED, "another node owned the blob meanwhile")
        self._metadata = owned.metadata
        out = self._keeper.keep(now_us, owned.lease, owned.authority_us)
        self._shipper.own(owned.lease, owned.number, owned.state.etag)
        if known is None:
            return [*out, *self._first_owned(now_us, owned)]
        return [*out, *self._owned_again(now_us, owned)]

    def _first_owned(self, now_us: int, owned: Owned) -> list[Command]:
        """This incarnation owns the blob for the first time: in what state was it left?"""
        metadata, length = owned.metadata, self._disk_bytes + FOOTER_BYTES
        if metadata.volume_bytes != self._settings.volume_bytes or owned.state.length != length:
            return self._end(
                Phase.REFUSED,
                f"the volume has {self._settings.volume_bytes} bytes but the blob holds a volume of"
                f" {metadata.volume_bytes}: this version cannot resize; choose another blob name",
            )
        if metadata.mark is Mark.SEED:
            return self._seed(now_us, owned.number, blob_is_zero=self._fresh_blob)
        if metadata.mark is not Mark.NONE or metadata.intent:
            reason = "the blob is in the middle of a change this version cannot finish"
            return self._end(Phase.REFUSED, reason)
        if self._started.clean_etag and self._started.clean_etag == owned.etag_found:
            target = self._declared(metadata)
            if target != metadata:
                # A standby judges by the mode it reads there (H11): no promise before it says so.
                return self._enter_section(target, owned.number)
            return self._run(owned.number, owned.state.etag)
        if self._started.reseed:
            dropped = self._clients.forget_captured(now_us)
            target = replace(metadata, mark=Mark.SEED)
            return [*dropped, *self._enter_section(target, owned.number)]
        return self._end(
            Phase.REFUSED,
            "the engine did not stop in order, or the volume was changed since, so what the blob"
            " lacks is unknown; restart with --reseed to send the volume anew (the blob cannot be"
            " failed over to meanwhile)",
        )

    def _owned_again(self, now_us: int, owned: Owned) -> list[Command]:
        """The lease had lapsed but nobody took over: memory stays valid (section 3, States)."""
        if self._section is not None:
            return self._enter_section(self._section.target, owned.number)
        if self._sealed:
            return self._run(owned.number, owned.state.etag)
        assert self._seeding is not None
        if self._seeding.finished:
            self._standing.phase = Phase.SEALING
            return []
        self._standing.phase = Phase.SEEDING
        self._seeding.own(self.lease, owned.number)
        return self._after_seeding_step(now_us, self._seeding.pump(now_us))

    # ── seeding and sealing ───────────────────────────────────────────────────────────────────

    def _seed(self, now_us: int, number: int, *, blob_is_zero: bool) -> list[Command]:
        dropped = self._clients.forget_captured(now_us)
        self._standing.phase = Phase.SEEDING
        self._standing.reason = "first copy under way: the blob cannot be failed over to yet"
        size, connections = self._settings.volume_bytes, self._settings.connections
        self._seeding = Seeding(size, connections, self._next_id, blob_is_zero=blob_is_zero)
        for operation in self._clients.operations.uncaptured():
            self._seeding.write_began(operation.offset, operation.length)
        self._seeding.own(self.lease, number)
        step = self._after_seeding_step(now_us, self._seeding.pump(now_us))
        return [*dropped, Note("seeding"), *step]

    def _after_seeding_step(self, now_us: int, commands: Iterable[Command]) -> list[Command]:
        copying = self._seeding
        if copying is None or self._standing.phase is not Phase.SEEDING:
            return [*commands]
        if copying.capturing:
            self._clients.capturing = True
        if copying.trouble is seeding.Trouble.FENCED:
            return [*commands, *self._fenced(now_us, copying.detail)]
        if copying.trouble is seeding.Trouble.BROKEN:
            return [*commands, *self._end(Phase.HALTED, copying.detail)]
        if not copying.finished:
            return [*commands]
        self._standing.phase = Phase.SEALING
        self._shipper.hurry = True
        self._shipper.own(self.lease, copying.number, None)
        barrier = Operation(-1, 0, 0, fua=False)
        self._clients.wait_for_blob(barrier)
        self._drained = barrier if barrier.waits & REMOTE else None
        self._shipper.open = True
        return [*commands]

    def _declared(self, metadata: BlobMetadata) -> BlobMetadata:
        """What the metadata says once the blob is an image of the volume."""
        settings = self._settings
        return replace(metadata, mark=Mark.NONE, mode=settings.mode, order=settings.order)

    def _enter_section(self, target: BlobMetadata, number: int) -> list[Command]:
        self._standing.phase = Phase.SEALING
        footer = None
        if target.mark is Mark.NONE:
            # From the moment the mark may be gone the blob may be failed over to.
            self._clients.guarded = True
            made = self._settings.created_unix_s
            footer = build_footer(Footer(self._disk_bytes, made, self._settings.volume_id))
        self._section = Section(target, self._disk_bytes, footer, self.lease, number, self._next_id)
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
        return [*commands, *self._run(change.number, change.etag)]

    def _run(self, number: int, etag: str) -> list[Command]:
        self._sealed = True
        self._seeding = None
        self._clients.capturing = self._clients.guarded = True
        self._standing.phase = Phase.RUNNING
        self._standing.reason = ""
        self._shipper.own(self.lease, number, etag)
        self._shipper.open = True
        self._shipper.hurry = False
        return [Note("protected", (("number", number),))]

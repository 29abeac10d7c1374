"""The way to protection: create, own, seed or resync and seal the blob, or go on with a clean one.

    CREATING -> OWNING -> [SEALING] -> SEEDING or RESYNCING -> SEALING -> RUNNING

SEEDING copies the volume into a blob marked as unusable, RESYNCING what the bitmap says that the
blob lacks, while a failover would use the point taken before. SEALING drains what was captured
meanwhile and changes the blob in an exclusive section: size, footer, mark. When the lease was lost,
`own_again` starts at OWNING and returns to where it was, with memory kept, unless another node
owned the blob meanwhile.
"""

from collections.abc import Callable

from engine.core import ownership
from engine.core.blob_metadata import Mark, new_metadata
from engine.core.changing import Changing, Fenced, Then
from engine.core.clients import Clients
from engine.core.copying import Copying, End
from engine.core.dirty import DirtyRegions
from engine.core.epochs import Order
from engine.core.lease_keeper import LeaseKeeper
from engine.core.listed_point import PointKind
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
)
from engine.core.ownership import Ending, Owned, Ownership
from engine.core.points import MarkInconsistent, Point, Seal
from engine.core.primary_status import OWNING, RUNNING, SEALING, Phase, Standing
from engine.core.resizing import ChangeSize, Roll
from engine.core.section import Goal, InTurn, Section
from engine.core.settings import VolumeSettings
from engine.core.shipping import Shipper, Trouble
from engine.units import FOOTER_BYTES, SECOND_US
from engine.vhd import disk_bytes

CREATE_TIMER = "create"
CREATE_RETRY_US = SECOND_US


class Protecting:
    """Takes its events only while the phase is one of the above.

    `end` is called to end the machine, `fenced` when the lease turns out to be lost.
    """

    def __init__(  # noqa: PLR0913  # every part of a primary, named
        self,
        settings: VolumeSettings,
        standing: Standing,
        clients: Clients,
        shipper: Shipper,
        keeper: LeaseKeeper,
        dirty: DirtyRegions,
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
        self._dirty = dirty
        self._next_id = next_id
        self._end = end
        self._fenced = fenced
        self.volume_bytes = settings.volume_bytes
        self._ownership = Ownership(settings.node, settings.lease_seconds, next_id)
        self.changing = Changing(standing, next_id, fenced)
        self.copying = Copying(
            standing,
            clients,
            shipper,
            next_id,
            connections=settings.connections,
            end=end,
            fenced=fenced,
        )
        self._started = Started()
        self._creating = -1
        self._fresh_blob = False
        self._sealed = False
        self._went_back = False
        self._mark_at = -1

    # ── interface ─────────────────────────────────────────────────────────────────────────────

    def start(self, event: Started) -> list[Command]:
        """The process is up. A blob that may be clean is treated as usable at once.

        With a bitmap, or where this node ever held the lease, the blob may be unmarked, so that a
        standby may be about to mount it.
        """
        self._started = event
        self._clients.capturing = not event.dirty and (bool(event.clean_etag) or event.dirty == ())
        self._clients.gate.guarded = self._clients.capturing or bool(event.previous_lease)
        self._clients.gate.guarded |= event.dirty is not None
        return self._create()

    def own_again(self, now_us: int) -> list[Command]:
        """The lease was lost: find out who owns the blob; send nothing until it is ours."""
        self.copying.fence()
        self._standing.phase = OWNING
        return self._ownership.start(now_us)

    def start_over(self, now_us: int, detail: str) -> list[Command]:
        """The blob went back to an earlier state (H7): a resync of everything, after a point of it.

        What waited for the blob is acknowledged without the promise, once the resync has begun.
        """
        self._started = Started(reseed=True)
        self._sealed = False
        self._went_back = True
        self._keeper.forget()
        self._shipper.open = False
        self._shipper.trouble = Trouble.FENCED
        self._standing.phase = Phase.OWNING
        self._standing.reason = detail
        dropped = self._clients.forget_captured(now_us, guarded=True)
        owning = self._ownership.start(now_us, previous_lease=self.changing.lease)
        return [*dropped, Note("starting-over", (("reason", detail),)), *owning]

    def answer(self, now_us: int, event: StoreAnswer) -> list[Command] | None:
        """Take an answer; None: it is not for this part."""
        if self._standing.phase is OWNING:
            return self._after_owning(now_us, self._ownership.handle(now_us, event))
        if event.id == self._creating:
            return self._created(now_us, event)
        changed = self.changing.answer(now_us, event)
        if changed is not None:
            return changed
        return self.copying.answer(now_us, event)

    def timer(self, now_us: int, key: str) -> list[Command]:
        """A timer of this part is due; any other key is none of it."""
        phase = self._standing.phase
        if key == ownership.TIMER and phase is OWNING:
            return self._after_owning(now_us, self._ownership.timer(now_us))
        if key == CREATE_TIMER and phase is Phase.CREATING:
            return self._create()
        return self.changing.timer(key) or self.copying.timer(now_us, key)

    def lease_ready(self, now_us: int, event: LeaseReady) -> list[Command]:
        """A fresh lease id is durable."""
        return self._after_owning(now_us, self._ownership.handle(now_us, event))

    def bits_durable(self, now_us: int) -> list[Command]:
        """Some bits are durable: all of those that a resync of everything waits for?"""
        waiting = self._mark_at >= 0 and self._standing.phase is SEALING
        if not waiting or not self._dirty.are_all_set(self.volume_bytes):
            return []
        return self._mark(now_us, self._mark_at)

    def seal_when_drained(self, now_us: int) -> list[Command]:
        """What was captured before the last copy is in the blob: it is an image of the volume."""
        if self._standing.phase is not SEALING or self.changing.is_open():
            return []
        if self._mark_at >= 0 or not self.copying.is_drained():
            return []
        self._shipper.open = False
        if not self._shipper.is_idle():
            return []
        return self._seal(now_us)

    # ── creating and owning ───────────────────────────────────────────────────────────────────

    def _create(self) -> list[Command]:
        self._standing.phase = Phase.CREATING
        self._creating = self._next_id()
        pairs = new_metadata(self._settings).to_map()
        length = disk_bytes(self.volume_bytes) + FOOTER_BYTES
        return [Create(self._creating, length, pairs, 0)]

    def _created(self, now_us: int, event: StoreAnswer) -> list[Command]:
        self._creating = -1
        exists = isinstance(event, Failed) and event.refusal is Refusal.EXISTS
        if not isinstance(event, Done) and not exists:
            # Unknown too: if it was applied, or is later, the next attempt finds the blob there.
            note = Note("store-trouble", (("during", "creating"), ("detail", event.detail)))
            return [note, SetTimer(CREATE_TIMER, now_us + CREATE_RETRY_US)]
        self._fresh_blob = not exists
        self._standing.phase = OWNING
        return self._ownership.start(now_us, previous_lease=self._started.previous_lease)

    def _after_owning(self, now_us: int, commands: list[Command]) -> list[Command]:
        ending = self._ownership.ending
        if ending is None or self._standing.phase is not OWNING:
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
        self.changing.lease = owned.lease
        known = self.changing.metadata
        if known is not None and known.term != owned.metadata.term:
            return self._end(Phase.DEMOTED, "another node owned the blob meanwhile")
        self.changing.metadata = owned.metadata
        self.changing.snapshots = None
        out = self._keeper.keep(now_us, owned.lease, owned.authority_us)
        self._shipper.own(owned.lease, owned.number, owned.state.etag)
        if known is None or self._went_back:
            self._went_back = False
            return [*out, *self._first_owned(now_us, owned)]
        return [*out, *self._owned_again(now_us, owned)]

    def _first_owned(self, now_us: int, owned: Owned) -> list[Command]:
        """This incarnation owns the blob for the first time: in what state was it left?"""
        metadata = owned.metadata
        if metadata.mark is Mark.SEED:
            if self._fresh_blob:
                return self._copy(now_us, owned.number, blob_is_zero=True)
            return self._enter(self._right_size(now_us), owned.number, self.copy_anew)
        stopped_etag = "" if self._started.dirty else self._started.clean_etag
        # Bits that an orderly stop left: a local write failed, nobody knows what the volume holds.
        if stopped_etag and stopped_etag == owned.etag_found:
            return self._clean(now_us, owned)
        if self._started.dirty is None and not self._started.reseed and not self._is_marked():
            return self._end(
                Phase.REFUSED,
                "the engine did not stop in order, or the volume was changed since, so what the"
                " blob lacks is unknown; restart with --reseed to send the volume anew (a failover"
                " meanwhile recovers the point before it)",
            )
        consistent = metadata.mark in (Mark.NONE, Mark.INTERVAL)
        if consistent and self._lacking() == []:
            self._clients.capturing = self._clients.gate.guarded = True
            return self._clean(now_us, owned)
        return self._mark(now_us, owned.number)

    def _lacking(self) -> list[int] | None:
        """The regions that the blob may lack, None: all."""
        return None if self._started.dirty is None else self._dirty.regions()

    def _is_marked(self) -> bool:
        """Whether an earlier resync, which had the permission that it needed, was not finished."""
        return self.changing.metadata is not None and self.changing.metadata.mark is Mark.RESYNC

    def _clean(self, now_us: int, owned: Owned) -> list[Command]:
        """The blob has all that the volume has: is it declared right, and as large?"""
        metadata = owned.metadata
        # In order `interval` nobody knows whether the last interval was closed.
        image = metadata.mark is Mark.NONE and self._settings.order is not Order.INTERVAL
        declared = metadata.declared(self._settings) == metadata and not metadata.intent
        if image and declared and metadata.volume_bytes == self.volume_bytes:
            return self._run(owned.number, owned.state.etag)
        # A standby judges by the mode it reads there (H11): no promise before it says so.
        goal = InTurn(self._right_size(now_us), self.seal_goal(now_us))
        return self._enter(goal, owned.number, self._sealed_now)

    def _mark(self, now_us: int, number: int) -> list[Command]:
        """Take a point, declare that the blob is written without order from now on (RESYNC)."""
        dropped = self._clients.forget_captured(now_us, guarded=True)
        if self._started.dirty is None and not self._dirty.are_all_set(self.volume_bytes):
            # Else a crash before the end would make the next start believe an empty bitmap.
            self._standing.phase = SEALING
            self._mark_at = number
            return [*dropped, *self._dirty.set_all(self.volume_bytes)]
        self._mark_at = -1
        marked = MarkInconsistent(Point(PointKind.RESYNC, now_us))
        # New data after the sizes are equal: never over the blob's footer (P9, H26).
        goal = InTurn(Roll(), marked, self._right_size(now_us))
        return [*dropped, *self._enter(goal, number, self.copy_anew)]

    def _right_size(self, now_us: int) -> Goal:
        """The volume's size is the truth: it may have changed while nobody protected it (H26)."""
        return ChangeSize(self.volume_bytes, Point(PointKind.GROW, now_us))

    def _owned_again(self, now_us: int, owned: Owned) -> list[Command]:
        """The lease had lapsed but nobody took over: memory stays valid (section 3, States)."""
        if self.changing.is_open():
            return self.changing.own(owned.number)
        if self._mark_at >= 0:
            return self._mark(now_us, owned.number)
        if self._sealed:
            return self._run(owned.number, owned.state.etag)
        return self.copying.own(now_us, self.changing.lease, owned.number)

    def _copy(self, now_us: int, number: int, *, blob_is_zero: bool) -> list[Command]:
        assert self.changing.metadata is not None
        return self.copying.begin(
            now_us,
            self.volume_bytes,
            self.changing.metadata.mark,
            number,
            self.changing.lease,
            lacking=self._lacking(),
            blob_is_zero=blob_is_zero,
        )

    # ── sections ──────────────────────────────────────────────────────────────────────────────

    def seal_goal(self, now_us: int) -> Seal:
        """What makes the blob an image of the volume, or, in order `interval`, its point one."""
        closing = None
        if self._settings.order is Order.INTERVAL:
            closing = Point(PointKind.INTERVAL, self._clients.cut_us(now_us))
        return Seal(self._settings, closing)

    def _seal(self, now_us: int) -> list[Command]:
        # From the moment the mark may be gone the blob may be failed over to.
        self._clients.gate.guarded = True
        return self._enter(self.seal_goal(now_us), self._shipper.number, self._sealed_now)

    def enter_online(self, goal: Goal, then: Then) -> list[Command]:
        """Change the blob while its clients go on; nothing is in flight, the shipper is closed."""
        return self.changing.enter(goal, self._shipper.number, then, self._standing.phase)

    def leave_online(self, number: int, etag: str | None) -> None:
        """Data may be sent again; `etag` None: the section ended without reaching its goal."""
        self._shipper.own(self.changing.lease, number, etag)
        self._shipper.open = True

    def is_protected(self) -> bool:
        """Whether the blob is a usable image that this node keeps up to date."""
        return self._standing.phase is RUNNING

    def change_copied(self, goal: Goal, then: Then) -> list[Command] | None:
        """Change the blob in the middle of a copy; None: what the copy sent is still in flight."""
        number = self.copying.hold()
        return None if number is None else self._enter(goal, number, then)

    def copy_anew(self, now_us: int, change: Section) -> list[Command]:
        """The blob is marked and as large as the volume's disk: copy what it may lack."""
        return self._copy(now_us, change.number, blob_is_zero=False)

    def _enter(self, goal: Goal, number: int, then: Then) -> list[Command]:
        return self.changing.enter(goal, number, then, SEALING)

    def _sealed_now(self, now_us: int, change: Section) -> list[Command]:
        out = self._run(change.number, change.etag)
        if self._settings.order is Order.INTERVAL:
            out += self._clients.close_interval(now_us)
        return out

    def _run(self, number: int, etag: str) -> list[Command]:
        self._sealed = True
        self.copying.forget()
        self._clients.capturing = self._clients.gate.guarded = True
        self._standing.phase = RUNNING
        self._standing.reason = ""
        self._shipper.own(self.changing.lease, number, etag)
        self._shipper.open = True
        self._shipper.hurry = False
        return [Note("protected", (("number", number),))]

"""The standby of one volume: suspects, confirms, fences, checks, mounts.

    WATCHING -> SUSPECTING -> FENCING -> CHECKING -> MOUNTED
        ^___________|            |          '-----> REFUSED (with the reason)
        '------------------------'  false alarm: the primary still writes

Silence for the time-out is not enough: two HEADs, one at suspicion and one at the time-out, must
show the same ETag (protocol.md FAILOVER). Then the lease must have expired, or is broken where the
policy says so (H10, H12). A volume that is still seeding has nothing to fail over to: refused
before anything is fenced, and looked at again if its primary comes back (H32). What is mounted,
the live blob or the point that it names, recovering.py finds. Only heard silence counts: without
one heartbeat since its start a standby never fails over by itself.
"""

from collections.abc import Iterator
from itertools import count

from msgspec.structs import replace

from engine.core import lease_keeper, ownership
from engine.core.blob_metadata import BlobMetadata, parse_metadata
from engine.core.lease_keeper import LeaseKeeper
from engine.core.messages import (
    BlobState,
    Command,
    Done,
    Event,
    Failed,
    FailoverRequested,
    Head,
    HeartbeatHeard,
    LeaseReady,
    LeaseState,
    MountDisk,
    Note,
    Refusal,
    SetMetadata,
    SetTimer,
    Started,
    StopRequested,
    StoreAnswer,
    TimerFired,
    Unknown,
)
from engine.core.ownership import Ending, Owned, Ownership
from engine.core.recovering import Recovering, Step, objection
from engine.core.settings import Fence, StandbySettings, surely_over_us
from engine.core.standby_phase import AFTER_OWNING, CONFIRMING, DECIDED, FENCING, SUSPECTING, Phase
from engine.errors import ProtocolError
from engine.units import SECOND_US

SILENCE_TIMER = "silence"
RETRY_TIMER = "retry"
RETRY_US = SECOND_US
LOOK_AGAIN_US = 10 * SECOND_US
"""Wait before a blob that could not be failed over to is looked at again."""


__all__ = ["Phase", "StandbyMachine"]


class StandbyMachine:
    """Decides for one volume; owns no clock, no randomness, no I/O."""

    def __init__(self, settings: StandbySettings) -> None:
        self._settings = settings
        ids: Iterator[int] = count(1)
        self._next_id = ids.__next__
        self._ownership = Ownership(settings.node, settings.lease_seconds, self._next_id)
        self._keeper = LeaseKeeper(settings.lease_seconds, self._next_id)
        self._awaited = -1
        self._heard_us = -1
        self._etag = ""
        self._forced = False
        self._owned: Owned | None = None
        self._metadata: BlobMetadata | None = None
        self._recovering: Recovering | None = None
        self._is_mounted = False
        self.phase = Phase.WAITING
        self.reason = "no heartbeat was heard yet"

    def handle(self, now_us: int, event: Event) -> list[Command]:
        """Take one event, decide, return what is to be done. The only entry."""
        match event:
            case HeartbeatHeard():
                return self._heard(now_us, leaving=event.leaving)
            case TimerFired():
                return self._timer(now_us, event.key)
            case Done() | Failed() | Unknown():
                return self._answer(now_us, event)
            case LeaseReady():
                return self._after_owning(now_us, self._ownership.handle(now_us, event))
            case FailoverRequested():
                return self._requested(now_us, forced=event.forced)
            case Started():
                return [Note("watching")]
            case StopRequested():
                self.phase = Phase.STOPPED
                self._keeper.forget()
                return [Note("stopped")]
            case _:
                return []

    def last_heard_us(self) -> int:
        """When the last heartbeat arrived, -1 if none did."""
        return self._heard_us

    def broke_a_lease(self) -> bool:
        """Whether the lease was broken, not expired, when this standby came to own the blob."""
        return self._ownership.broke_at_us is not None

    def objection(self, now_us: int, *, forced: bool) -> str:
        """Why a failover that an operator asks for now would not even begin; empty if it would."""
        heard = self._heard_us >= 0 and now_us - self._heard_us < self._settings.timeout_us
        if forced or not heard or self.phase in DECIDED:
            return ""
        return "the primary is alive; --force takes over anyway and may lose up to the RPO"

    # ── silence ───────────────────────────────────────────────────────────────────────────────

    def _heard(self, now_us: int, *, leaving: bool) -> list[Command]:
        self._heard_us = now_us
        if self._forced and self.phase is CONFIRMING:
            # The operator knows that the primary lives.
            return []
        suspected = self.phase is SUSPECTING or self.phase is CONFIRMING
        if self.phase is FENCING and not (self._forced or self._is_mounted):
            suspected = self._ownership.give_up_waiting()
            if suspected:
                self.phase = SUSPECTING
        if self.phase in DECIDED:
            return []
        if leaving:
            self._watch()
            self.phase = Phase.WAITING
            self.reason = "the primary stopped in order"
            return [Note("primary-left")]
        out: list[Command] = []
        if suspected:
            out.append(Note("false-alarm", (("reason", "a heartbeat arrived"),)))
        self._watch()
        return [*out, SetTimer(SILENCE_TIMER, now_us + self._suspect_after_us())]

    def _watch(self) -> None:
        self.phase = Phase.WATCHING
        self.reason = ""
        self._awaited = -1
        self._forced = False

    def _suspect_after_us(self) -> int:
        """Suspicion starts an interval before the time-out, but never before half of it."""
        timeout, interval = self._settings.timeout_us, self._settings.interval_us
        return max(timeout - interval, timeout // 2)

    def _timer(self, now_us: int, key: str) -> list[Command]:
        if key == lease_keeper.TIMER:
            return self._keeper.timer(now_us)
        if key == ownership.TIMER and self.phase is FENCING:
            return self._after_owning(now_us, self._ownership.timer(now_us))
        if self.phase is Phase.CHECKING and self._recovering is not None:
            return self._recovering.timer(key)
        if key == RETRY_TIMER and self.phase is Phase.DELAYING:
            return self._mount()
        if key == SILENCE_TIMER:
            return self._silence(now_us)
        return []

    def _silence(self, now_us: int) -> list[Command]:
        if self.phase is Phase.WATCHING:
            self.phase = SUSPECTING
            self._etag = ""
            silent = ("silent_ms", (now_us - self._heard_us) // 1000)
            # Not sooner than the rest of the time-out: two looks at once say nothing.
            apart = self._settings.timeout_us - self._suspect_after_us()
            due_us = max(self._heard_us + self._settings.timeout_us, now_us + apart)
            due = SetTimer(SILENCE_TIMER, due_us)
            return [Note("suspected", (silent,)), due, self._head()]
        if self.phase in (SUSPECTING, CONFIRMING):
            self.phase = CONFIRMING
            return [self._head()]
        if self.phase is Phase.REFUSED and self._heard_us >= 0:
            self.phase = SUSPECTING
            self._etag = ""
            return [SetTimer(SILENCE_TIMER, now_us + self._settings.timeout_us), self._head()]
        return []

    def _answer(self, now_us: int, event: StoreAnswer) -> list[Command]:
        if event.id == self._keeper.awaited:
            return self._renewed(now_us, event)
        if self.phase is FENCING:
            return self._after_owning(now_us, self._ownership.handle(now_us, event))
        found = self._recovering
        if self.phase is Phase.CHECKING and found is not None:
            return (
                self._recover(now_us, found.handle(now_us, event))
                if found.handles(event.id)
                else []
            )
        if event.id != self._awaited:
            return []
        self._awaited = -1
        if self.phase is SUSPECTING:
            if isinstance(event, Done) and event.state is not None:
                self._etag = event.state.etag
            return []
        if self.phase is CONFIRMING:
            return self._confirm(now_us, event)
        return self._claimed(now_us, event) if self.phase is Phase.CLAIMING else []

    def _confirm(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """The second HEAD: has the blob been silent too?"""
        if isinstance(event, Failed) and event.refusal is Refusal.NOT_FOUND:
            return self._refuse("there is no such blob: nothing was ever replicated")
        if not isinstance(event, Done) or event.state is None:
            detail = event.detail if not isinstance(event, Done) else "an answer without a state"
            self.reason = f"the store does not answer: {detail}"
            again = SetTimer(SILENCE_TIMER, now_us + RETRY_US)
            return [Note("store-trouble", (("detail", self.reason),)), again]
        state = event.state
        if not self._forced and not self._etag:
            # The first look had no answer: this is the first.
            self._etag = state.etag
            return [SetTimer(SILENCE_TIMER, now_us + self._settings.interval_us)]
        if not self._forced and state.etag != self._etag:
            self._etag = state.etag
            self.reason = "heartbeats are lost, but the primary still writes"
            later = SetTimer(SILENCE_TIMER, now_us + self._settings.timeout_us)
            return [Note("false-alarm", (("reason", self.reason),)), later]
        unusable = self._unusable(state)
        if unusable:
            # Nothing was touched. Perhaps the primary finishes, and nobody hears of it.
            again = SetTimer(SILENCE_TIMER, now_us + LOOK_AGAIN_US)
            return [*self._refuse(unusable), again]
        silent = ("silent_ms", (now_us - self._heard_us) // 1000 if self._heard_us >= 0 else -1)
        declared = Note("failure-declared", (silent,))
        return [declared, *self._fence(now_us, state)]

    def _unusable(self, state: BlobState) -> str:
        """Why this blob cannot be failed over to, or ""."""
        try:
            return objection(parse_metadata(state.metadata), self._settings.node)
        except ProtocolError as unreadable:
            return str(unreadable)

    # ── fencing ───────────────────────────────────────────────────────────────────────────────

    def _fence(self, now_us: int, state: BlobState) -> list[Command]:
        self.phase = FENCING
        self.reason = ""
        held = state.lease_state in (LeaseState.LEASED, LeaseState.BREAKING)
        # A break gains nothing where local acknowledgements need waiting for all the same (H11).
        metadata = parse_metadata(state.metadata)
        by_policy = self._settings.fence is Fence.BREAK and metadata.acks_need_store()
        # By force also the lease of a primary that only takes it up now.
        break_lease = self._forced or (held and by_policy)
        note = Note("fencing", (("lease", state.lease_state.value),))
        self._ownership.broke_at_us = None
        start = self._ownership.start(
            now_us,
            take_over=True,
            break_lease=break_lease,
            watched_etag="" if self._forced else state.etag,
            failed=(metadata.owner, metadata.term),
        )
        return [note, *start]

    def _after_owning(self, now_us: int, commands: list[Command]) -> list[Command]:
        ending = self._ownership.ending
        if ending is None or self.phase is not FENCING:
            return commands
        self._ownership.ending = None
        if ending is Ending.OWNED:
            return [*commands, *self._check(now_us)]
        if ending is Ending.ALIVE:
            self._watch()
            note = Note("false-alarm", (("reason", self._ownership.detail),))
            later = SetTimer(SILENCE_TIMER, now_us + self._settings.timeout_us)
            return [*commands, note, later]
        return [*commands, *self._refuse(self._ownership.detail or "another node owns it")]

    def _check(self, now_us: int) -> list[Command]:
        """The blob is ours: only what it says now, after the Raise, counts (H13)."""
        owned = self._ownership.owned
        assert owned is not None
        self._owned = owned
        self._metadata = owned.metadata
        renew = self._keeper.keep(now_us, owned.lease, owned.authority_us)
        if self._is_mounted:
            self.phase = Phase.MOUNTED
            self.reason = ""
            return renew
        unusable = self._unusable(owned.state)
        if unusable:
            return [*renew, *self._refuse(unusable)]
        self.phase = Phase.CHECKING
        self._recovering = Recovering(owned, self._next_id)
        return [*renew, *self._recovering.start()]

    def _recover(self, now_us: int, commands: list[Command]) -> list[Command]:
        """What there is to mount is known, or not yet, or there is nothing."""
        found = self._recovering
        assert found is not None
        if found.fenced:
            return [*commands, *self._own_again(now_us)]
        if found.refusal:
            return [*commands, *self._refuse(found.refusal)]
        if found.step is not Step.READY:
            return commands
        self.phase = Phase.CLAIMING
        self._metadata = replace(found.metadata, mounted=True)
        self._awaited = self._next_id()
        assert self._owned is not None
        pairs, lease = self._metadata.to_map(), self._owned.lease
        return [*commands, SetMetadata(self._awaited, pairs, lease, found.etag)]

    def _claimed(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Mounted is recorded in the blob, or is found to be by owning again (restartable)."""
        assert self._metadata is not None
        if not isinstance(event, Done):
            trouble = Note("store-trouble", (("during", "mounting"), ("detail", event.detail)))
            return [trouble, *self._own_again(now_us)]
        broke_at = self._ownership.broke_at_us
        if broke_at is not None and not self._metadata.acks_need_store():
            # H11: until its authority is surely over the old primary may still acknowledge what
            # needs no answer of the store: all in mode async or while it resyncs, unflushed writes
            # in sync-on-flush.
            self.phase = Phase.DELAYING
            return [SetTimer(RETRY_TIMER, broke_at + surely_over_us(self._settings.lease_seconds))]
        return self._mount()

    def _mount(self) -> list[Command]:
        found = self._recovering
        assert self._metadata is not None
        assert found is not None
        self.phase = Phase.MOUNTED
        self._is_mounted = True
        self.reason = ""
        term, size, point = self._metadata.term, found.size_bytes, found.snapshot
        fields = (("size_bytes", size), ("term", term), ("snapshot", point))
        return [MountDisk(size, term, point), Note("mounted", fields)]

    # ── trouble and requests ──────────────────────────────────────────────────────────────────

    def _renewed(self, now_us: int, event: StoreAnswer) -> list[Command]:
        out = self._keeper.handle(now_us, event)
        if self._keeper.lost and self.phase in AFTER_OWNING:
            # H9: ownership is (term, owner) in the metadata; the lease is only taken up again.
            self.reason = "the lease lapsed; the blob stays this node's by its term"
            note = Note("lease-lapsed", (("reason", self.reason),))
            return [*out, note, *self._own_again(now_us)]
        return out

    def _own_again(self, now_us: int) -> list[Command]:
        """Start over from what the blob says; the lease, if it still is ours, is changed."""
        assert self._owned is not None
        self._keeper.forget()
        self.phase = FENCING
        lease = self._owned.lease
        return self._ownership.start(now_us, previous_lease=lease)

    def _refuse(self, reason: str) -> list[Command]:
        """There is nothing to mount. Its lease may end: others, or another try, may need it."""
        self._keeper.forget()
        self.phase = Phase.REFUSED
        self.reason = reason
        self._forced = False
        return [Note("refused", (("reason", reason),))]

    def _requested(self, now_us: int, *, forced: bool) -> list[Command]:
        """An operator asks. Unforced, a primary that is heard is not pre-empted (H12)."""
        if self.phase in DECIDED:
            return [Note("failover-ignored", (("phase", self.phase.value),))]
        objection = self.objection(now_us, forced=forced)
        if objection:
            return [Note("failover-ignored", (("reason", objection),))]
        self._forced = forced
        self.phase = CONFIRMING
        if not forced and not self._etag:
            self.phase = SUSPECTING
            later = SetTimer(SILENCE_TIMER, now_us + self._settings.interval_us)
            return [Note("failover-requested"), later, self._head()]
        return [Note("failover-requested", (("forced", int(forced)),)), self._head()]

    def _head(self) -> Command:
        self._awaited = self._next_id()
        return Head(self._awaited, None)

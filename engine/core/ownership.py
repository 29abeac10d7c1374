"""OWN: become the blob's only writer, or learn that another node is (protocol.md section 3, OWN).

HEAD -> [Break] -> fresh lease id, durable -> Acquire(If-Match) -> HEAD(id) decides -> Raise ->
HEAD(id) -> owner still as before? -> [SetMetadata(term+1, owner=me)] -> owned.

The lease only guards the change of (term, owner) in the metadata; that pair is who owns (H9).
Nothing but Raise and SetMetadata(term) is sent before the term is ours (P4), and nothing read
before the Raise is trusted (H13). A primary and a standby run the same procedure; only a standby
may take over.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from engine.core.blob_metadata import BlobMetadata, MetadataReader
from engine.core.messages import (
    Acquire,
    BlobState,
    Break,
    Change,
    Command,
    Done,
    Failed,
    Head,
    LeaseReady,
    LeaseState,
    NewLease,
    Note,
    Raise,
    Refusal,
    Release,
    SetMetadata,
    SetTimer,
    StoreAnswer,
    Unknown,
)
from engine.core.settings import authority_us
from engine.errors import ProtocolError
from engine.units import SECOND_US, SEQUENCE_TERM_SHIFT

TIMER = "own"
POLL_US = SECOND_US // 4
"""How often a lease that somebody else still holds is looked at again."""

TROUBLE_US = SECOND_US
"""Wait after the store did not answer or could not be reached."""


class Step(Enum):
    """Where the procedure stands; each waits for exactly one answer or timer."""

    IDLE = auto()
    WAITING = auto()
    LOOKING = auto()
    DRAWING = auto()
    BREAKING = auto()
    CHANGING = auto()
    ACQUIRING = auto()
    CONFIRMING = auto()
    RAISING = auto()
    READING = auto()
    CLAIMING = auto()
    CHECKING = auto()
    RELEASING = auto()


# Named once, for to look up a member of an enum costs more than a call.
IDLE: Final = Step.IDLE
WAITING: Final = Step.WAITING
LOOKING: Final = Step.LOOKING
DRAWING: Final = Step.DRAWING
BREAKING: Final = Step.BREAKING
CHANGING: Final = Step.CHANGING
ACQUIRING: Final = Step.ACQUIRING
CONFIRMING: Final = Step.CONFIRMING
RAISING: Final = Step.RAISING
READING: Final = Step.READING
CLAIMING: Final = Step.CLAIMING
CHECKING: Final = Step.CHECKING
RELEASING: Final = Step.RELEASING


class Ending(Enum):
    """How the procedure ended."""

    OWNED = auto()
    FOREIGN = auto()
    """Another node owns the blob."""
    MISSING = auto()
    """There is no such blob."""
    UNREADABLE = auto()
    """The blob's metadata is not this engine's."""
    ALIVE = auto()
    """The ETag moved while a standby waited for the lease to expire: the primary still writes."""


class Owned(Struct, frozen=True, gc=False):
    """What an owner knows: its lease, number, authority deadline, and the blob after the Raise.

    etag_found: the ETag just before the Raise, which changed it (F1).
    """

    lease: str
    number: int
    authority_us: int
    state: BlobState
    metadata: BlobMetadata
    etag_found: str


class Ownership:
    """The procedure, for one node. `outcome` is set when `handle` returns with step IDLE."""

    def __init__(self, node: str, lease_seconds: int, next_id: Callable[[], int]) -> None:
        self._node = node
        self._lease_seconds = lease_seconds
        self._next_id = next_id
        self._awaited = -1
        self._take_over = False
        self._break = False
        self._touched = False
        self._etag = ""
        self._etag_found = ""
        self._stood_back = False
        self._watched_etag = ""
        self._failed: tuple[str, int] | None = None
        self._number = 0
        self._maybe_mine = False
        self._raised_once = False
        self._sent_us = 0
        self._previous_lease = ""
        self._state: BlobState | None = None
        self._metadata: BlobMetadata | None = None
        self._reader = MetadataReader()
        self.step = IDLE
        self.lease = ""
        self.ending: Ending | None = None
        self.owned: Owned | None = None
        self.detail = ""
        self.broke_at_us: int | None = None

    def start(
        self,
        now_us: int,
        *,
        take_over: bool = False,
        break_lease: bool = False,
        previous_lease: str = "",
        watched_etag: str = "",
        failed: tuple[str, int] | None = None,
    ) -> list[Command]:
        """Begin. `watched_etag`: end as ALIVE if the blob's ETag is found to differ from it.

        failed: the owner, and its term, that is declared failed; another one is not taken over.
        """
        self._take_over = take_over
        self._break = break_lease
        self._previous_lease = previous_lease
        self._watched_etag = watched_etag
        self._failed = failed
        self.ending = None
        self.owned = None
        self._touched = False
        self._maybe_mine = False
        self._raised_once = False
        self._stood_back = False
        return self._look(now_us)

    def give_up_waiting(self) -> bool:
        """Stop, if nothing was done yet but wait for the lease to end; says whether it stopped."""
        if self._touched or self.step not in (WAITING, LOOKING):
            return False
        self.step = IDLE
        self._awaited = -1
        return True

    def handle(  # noqa: C901, PLR0911  # one line a step: the table of the procedure
        self, now_us: int, event: StoreAnswer | LeaseReady
    ) -> list[Command]:
        """Take the answer awaited; any other id is of an earlier attempt and dropped."""
        if event.id != self._awaited:
            return []
        self._awaited = -1
        if isinstance(event, LeaseReady):
            return self._lease_ready(now_us, event.lease)
        step = self.step
        if step is LOOKING:
            return self._looked(now_us, event)
        if step is CONFIRMING:
            return self._confirmed(now_us, event)
        if step is RAISING:
            return self._raised(now_us, event)
        if step is READING:
            return self._read(now_us, event)
        if step is ACQUIRING or step is CHANGING:
            return self._confirm()
        if step is BREAKING:
            return self._broke(now_us, event)
        if step is CLAIMING:
            return self._head(CHECKING, self.lease)
        if step is CHECKING:
            return self._checked(now_us, event)
        assert step is RELEASING, step
        return self._end(Ending.FOREIGN)

    def timer(self, now_us: int) -> list[Command]:
        """The wait is over: look again, under the last lease id if that may be ours already."""
        if self.step is not WAITING:
            return []
        return self._confirm() if self._maybe_mine else self._look(now_us)

    # ── steps ─────────────────────────────────────────────────────────────────────────────────

    def _look(self, now_us: int) -> list[Command]:
        del now_us
        return self._head(LOOKING, None)

    def _looked(self, now_us: int, event: StoreAnswer) -> list[Command]:
        if isinstance(event, Failed) and event.refusal is Refusal.NOT_FOUND:
            return self._end(Ending.MISSING, event.detail)
        if not isinstance(event, Done) or event.state is None:
            return self._wait(now_us, TROUBLE_US, event)
        state = event.state
        metadata = self._adopt(state)
        if metadata is None:
            return self._end(Ending.UNREADABLE, self.detail)
        if metadata.owner != self._node and not self._take_over:
            return self._end(Ending.FOREIGN, f"the blob belongs to {metadata.owner}")
        rival = self._failed not in (None, (metadata.owner, metadata.term)) or metadata.mounted
        if metadata.owner != self._node and rival:
            # H10: another standby was faster, and is none that anybody declared failed.
            return self._end(Ending.FOREIGN, f"{metadata.owner} has taken over")
        if self._watched_etag and state.etag != self._watched_etag:
            return self._end(Ending.ALIVE, "the primary wrote since its silence began")
        return self._approach(now_us, state)

    def _approach(self, now_us: int, state: BlobState) -> list[Command]:
        """Decide from the lease's state how to get it."""
        held = state.lease_state in (LeaseState.LEASED, LeaseState.BREAKING)
        if state.lease_state is LeaseState.BROKEN and self.broke_at_us is None:
            # By whom and when is not known: perhaps by this node, just before it was restarted.
            self.broke_at_us = now_us
        if held and self._break:
            self.step = BREAKING
            self._touched = True
            return [Break(self._take_id(), state.etag)]
        if held and not self._previous_lease:
            return self._wait(now_us, POLL_US, None)
        if state.lease_state is LeaseState.BROKEN and not self._take_over:
            # H15: a broken lease asks the primary to step down; only after others had their turn.
            self._previous_lease = ""
            if not self._stood_back:
                self._stood_back = True
                return self._wait(now_us, 8 * POLL_US, None)
        self.step = DRAWING
        return [NewLease(self._take_id())]

    def _lease_ready(self, now_us: int, lease: str) -> list[Command]:
        self._sent_us = now_us
        self._touched = self._maybe_mine = True
        self.lease = lease
        previous, self._previous_lease = self._previous_lease, ""
        state = self._state
        assert state is not None
        if previous and state.lease_state is LeaseState.LEASED:
            # A change does not extend the lease: no authority before the first renewal.
            self._sent_us = now_us - self._lease_seconds * SECOND_US
            self.step = CHANGING
            return [Change(self._take_id(), previous, lease)]
        self.step = ACQUIRING
        return [Acquire(self._take_id(), lease, self._lease_seconds, self._etag)]

    def _broke(self, now_us: int, event: StoreAnswer) -> list[Command]:
        if isinstance(event, Done | Unknown):
            self.broke_at_us = now_us
        return self._look(now_us)

    def _confirm(self) -> list[Command]:
        """Whatever the answer was: a HEAD under the new id tells whether it is ours (F2)."""
        return self._head(CONFIRMING, self.lease)

    def _confirmed(self, now_us: int, event: StoreAnswer) -> list[Command]:
        if isinstance(event, Failed) and event.refusal is not Refusal.LEASE:
            return self._wait(now_us, TROUBLE_US, event)
        if isinstance(event, Unknown):
            return self._wait(now_us, TROUBLE_US, event)
        state = event.state if isinstance(event, Done) else None
        if state is None or state.lease_state is not LeaseState.LEASED:
            self._maybe_mine = False
            return self._wait(now_us, POLL_US, event)
        metadata = self._adopt(state)
        if metadata is None:
            return self._end(Ending.UNREADABLE, self.detail)
        # From here on only this node changes the blob, as long as the lease is its own.
        self._watched_etag = ""
        if not self._raised_once:
            self._etag_found = state.etag
        self._number = max(state.number, metadata.term << SEQUENCE_TERM_SHIFT) + 1
        return self._raise()

    def _raise(self) -> list[Command]:
        self.step = RAISING
        self._raised_once = True
        return [Raise(self._take_id(), self._number, self.lease)]

    def _raised(self, now_us: int, event: StoreAnswer) -> list[Command]:
        if isinstance(event, Done):
            return self._head(READING, self.lease)
        return self._wait(now_us, TROUBLE_US, event)

    def _read(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Only what is read now, after the Raise, counts (H13)."""
        if not isinstance(event, Done) or event.state is None:
            return self._wait(now_us, TROUBLE_US, event)
        before = self._metadata
        metadata = self._adopt(event.state)
        if metadata is None or before is None:
            return self._end(Ending.UNREADABLE, self.detail)
        if metadata.owner == self._node:
            return self._own(event.state, metadata)
        if not self._take_over or (metadata.owner, metadata.term) != (before.owner, before.term):
            self.detail = f"the blob belongs to {metadata.owner}"
            self.step = RELEASING
            return [Release(self._take_id(), self.lease)]
        self.step = CLAIMING
        claimed = metadata.taken_by(self._node)
        return [SetMetadata(self._take_id(), claimed.to_map(), self.lease, event.state.etag)]

    def _checked(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """The claim is resolved by what the blob now says, whatever the answer was (H4)."""
        if isinstance(event, Done) and event.state is not None:
            metadata = self._adopt(event.state)
            if metadata is not None and metadata.owner == self._node:
                return self._own(event.state, metadata)
        return self._wait(now_us, POLL_US, event)

    # ── endings and waits ─────────────────────────────────────────────────────────────────────

    def _own(self, state: BlobState, metadata: BlobMetadata) -> list[Command]:
        until = authority_us(self._sent_us, self._lease_seconds)
        self.owned = Owned(self.lease, self._number, until, state, metadata, self._etag_found)
        return self._end(Ending.OWNED)

    def _end(self, ending: Ending, detail: str = "") -> list[Command]:
        self.step = IDLE
        self.ending = ending
        self.detail = detail or self.detail
        return []

    def _wait(self, now_us: int, wait_us: int, event: StoreAnswer | None) -> list[Command]:
        self.step = WAITING
        commands: list[Command] = [SetTimer(TIMER, now_us + wait_us)]
        if isinstance(event, Failed | Unknown):
            refusal = event.refusal.value if isinstance(event, Failed) else "unknown"
            fields = (("during", "owning"), ("refusal", refusal), ("detail", event.detail))
            commands.append(Note("store-trouble", fields))
        return commands

    def _head(self, step: Step, lease: str | None) -> list[Command]:
        self.step = step
        return [Head(self._take_id(), lease)]

    def _take_id(self) -> int:
        self._awaited = self._next_id()
        return self._awaited

    def _adopt(self, state: BlobState) -> BlobMetadata | None:
        self._state = state
        self._etag = state.etag
        try:
            self._metadata = self._reader.read(state.metadata)
        except ProtocolError as unreadable:
            self.detail = str(unreadable)
            return None
        return self._metadata

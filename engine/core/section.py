"""SECTION: change footer, size, points and metadata while nothing else is in flight (H5, H6).

Raise -> HEAD -> one chained If-Match request after another, towards a goal -> HEAD tells whether it
is reached. A goal decides the next request from what the blob is known to be, so it is restarted
from a HEAD alone: any answer but Done starts again at the Raise, which kills whatever may still be
on its way. The caller must see to it that no data request is in flight, and must not send one
before `finished`.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, Protocol

from engine.core.blob_metadata import BlobMetadata, MetadataReader
from engine.core.listed_point import KnownSnapshot, read_point
from engine.core.messages import (
    BlobState,
    Clear,
    Command,
    Done,
    Failed,
    Head,
    ListSnapshots,
    MetadataMap,
    Note,
    Part,
    Put,
    Raise,
    ReadPage,
    Refusal,
    Resize,
    SetMetadata,
    SetTimer,
    Snapshot,
    StoreAnswer,
)
from engine.errors import ProtocolError
from engine.units import FOOTER_BYTES, PAGE_BYTES, SECOND_US

TIMER = "section"
BACKOFF_US = SECOND_US // 2
LIMIT_BACKOFF_US = 5 * SECOND_US
"""Wait after the service refused a snapshot for its limits of rate or count."""

ZEROS = bytes(PAGE_BYTES)

Asked = Raise | Head | ReadPage | ListSnapshots | Snapshot | SetMetadata | Resize | Clear | Put


class BlobView:
    """What is known of the blob within a section, and how to ask for a change of it.

    snapshots: None while not known. Nothing here is trusted longer than the chain of answers lasts
    that it came from.
    """

    def __init__(self, lease: str, number: int, next_id: Callable[[], int]) -> None:
        self.lease = lease
        self.number = number
        self._next_id = next_id
        self.etag = ""
        self.length = 0
        self.metadata: BlobMetadata | None = None
        self.snapshots: list[KnownSnapshot] | None = None
        self._reader = MetadataReader()
        self.raised = False
        self._pages: dict[int, bytes] = {}
        self._cleared: list[tuple[int, int]] = []

    # ── what is known ─────────────────────────────────────────────────────────────────────────

    def state(self) -> BlobMetadata:
        """The metadata, once a HEAD told them."""
        assert self.metadata is not None
        return self.metadata

    def page(self, offset: int) -> bytes | None:
        """The page there, None if this chain neither read nor wrote it."""
        return self._pages.get(offset)

    def is_cleared(self, offset: int, end: int) -> bool:
        """Whether this chain made these bytes zero."""
        return any(start <= offset and end <= stop for start, stop in self._cleared)

    # ── requests ──────────────────────────────────────────────────────────────────────────────

    def head(self) -> Head:
        """Read the state."""
        return Head(self._next_id(), self.lease)

    def read(self, offset: int) -> ReadPage:
        """Read a page."""
        return ReadPage(self._next_id(), offset, self.lease)

    def list_snapshots(self) -> ListSnapshots:
        """Read which snapshots there are."""
        return ListSnapshots(self._next_id())

    def raise_number(self) -> Raise:
        """Kill every earlier request."""
        self.number += 1
        return Raise(self._next_id(), self.number, self.lease)

    def put(self, offset: int, zeros: int, page: bytes) -> Put:
        """Write so many bytes of zeros, then one page."""
        parts = [Part(None, 0, zeros)] if zeros else []
        parts.append(Part(page, 0, PAGE_BYTES))
        size = zeros + PAGE_BYTES
        lease, number = self.lease, self.number
        return Put(self._next_id(), offset, size, tuple(parts), lease, number, self.etag)

    def clear(self, offset: int, end: int) -> Clear:
        """Make these bytes zero."""
        lease, number = self.lease, self.number
        return Clear(self._next_id(), offset, end - offset, lease, number, self.etag)

    def resize(self, disk: int) -> Resize:
        """Give the blob room for a disk of this size and its footer."""
        return Resize(self._next_id(), disk + FOOTER_BYTES, self.lease, self.etag)

    def snapshot(self, metadata: MetadataMap) -> Snapshot:
        """Take a snapshot."""
        return Snapshot(self._next_id(), metadata, self.lease, self.etag)

    def set_metadata(self, metadata: BlobMetadata) -> SetMetadata:
        """Replace the metadata."""
        return SetMetadata(self._next_id(), metadata.to_map(), self.lease, self.etag)

    # ── answers ───────────────────────────────────────────────────────────────────────────────

    def restart(self) -> None:
        """Something went wrong: nothing is known any more."""
        self.metadata = None
        self.snapshots = None
        self._pages.clear()
        self._cleared.clear()

    def adopt(self, state: BlobState) -> None:
        """Take what a HEAD says. Raises ProtocolError if the metadata are not ours."""
        self.metadata = self._reader.read(state.metadata)
        self.etag, self.length = state.etag, state.length

    def learn(self, command: Asked, event: Done) -> None:  # noqa: C901  # one case a command
        """The request was carried out."""
        match command:
            case ReadPage():
                self._pages[command.offset] = event.page
                return
            case ListSnapshots():
                self.snapshots = [(sid, read_point(sid, pairs)) for sid, pairs in event.snapshots]
                return
            case Snapshot():
                if self.snapshots is not None:
                    taken = read_point(event.snapshot, command.metadata)
                    self.snapshots.append((event.snapshot, taken))
                return
            case Raise():
                self.raised = True
            case SetMetadata():
                self.metadata = self._reader.read(command.metadata)
            case Resize():
                if command.length > self.length:
                    self._pages[command.length - PAGE_BYTES] = ZEROS
                self.length = command.length
            case Clear():
                self.raised = False
                self._cleared.append((command.offset, command.offset + command.length))
            case Put():
                self.raised = False
                self._learn_put(command)
            case Head():
                raise AssertionError(command)
        self.etag = event.etag

    def _learn_put(self, command: Put) -> None:
        last = command.offset + command.length - PAGE_BYTES
        footer = command.parts[-1].payload
        assert isinstance(footer, bytes)
        self._cleared.append((command.offset, last))
        self._pages[last] = footer


class Goal(Protocol):
    """What a section is for."""

    def next(self, view: BlobView) -> Asked | None:
        """The request that comes next, None if the goal is reached; decides from `view` alone."""


class InTurn:
    """Several goals, each begun when the one before is reached."""

    def __init__(self, *goals: Goal) -> None:
        self._goals: Sequence[Goal] = goals

    def next(self, view: BlobView) -> Asked | None:
        """The next request of the first goal that is not reached."""
        for goal in self._goals:
            command = goal.next(view)
            if command is not None:
                return command
        return None


class Step(Enum):
    """Where the section stands."""

    RAISING = auto()
    READING = auto()
    CHANGING = auto()
    VERIFYING = auto()
    WAITING = auto()
    FINISHED = auto()


# Named once, for to look up a member of an enum costs more than a call.
RAISING: Final = Step.RAISING
READING: Final = Step.READING
CHANGING: Final = Step.CHANGING
VERIFYING: Final = Step.VERIFYING
WAITING: Final = Step.WAITING
FINISHED: Final = Step.FINISHED


class Section:
    """One exclusive change towards `goal`, by the owner (name and term) of the blob.

    fenced: the lease is lost or somebody else owns the blob; limited: the service refuses a
    snapshot for now, and the caller may let data go on instead of waiting for the timer.
    """

    def __init__(
        self,
        goal: Goal,
        owner: tuple[str, int],
        lease: str,
        number: int,
        next_id: Callable[[], int],
        known: list[KnownSnapshot] | None = None,
    ) -> None:
        """`known`: the blob's snapshots, if they are known for sure."""
        self.goal = goal
        self._owner = owner
        self._asked: Asked | None = None
        self.awaited = -1
        """The request whose answer is for the section, -1: none."""
        self.view = BlobView(lease, number, next_id)
        self.view.snapshots = known
        self.step = WAITING
        self.fenced = False
        self.limited = False
        self.detail = ""

    @property
    def number(self) -> int:
        """The sequence number that the blob has, as far as this section raised it."""
        return self.view.number

    @property
    def etag(self) -> str:
        """The blob's ETag, valid when finished."""
        return self.view.etag

    def own(self, lease: str, number: int) -> list[Command]:
        """Ownership was regained by a Raise: begin again towards the same goal."""
        self.view.lease, self.view.number = lease, number
        self.view.restart()
        self.fenced = False
        return self.start()

    def start(self) -> list[Command]:
        """Raise, which starts or restarts the section."""
        self.limited = False
        return [self._ask(RAISING, self.view.raise_number())]

    def is_finished(self) -> bool:
        """Whether the blob is known to say what it should; `etag` is its ETag then."""
        return self.step is FINISHED

    def timer(self) -> list[Command]:
        """The wait after trouble is over."""
        return self.start() if self.step is WAITING and not self.fenced else []

    def handle(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Take the answer of the request under way."""
        asked, self._asked, self.awaited = self._asked, None, -1
        assert asked is not None
        if not isinstance(event, Done):
            return self._trouble(now_us, event, limited=isinstance(asked, Snapshot))
        if isinstance(asked, Head):
            assert event.state is not None
            return self._read(now_us, event.state)
        self.view.learn(asked, event)
        if self.step is RAISING:
            return [self._ask(READING, self.view.head())]
        return self._go_on()

    def _go_on(self) -> list[Command]:
        command = self.goal.next(self.view)
        if command is not None:
            return [self._ask(CHANGING, command)]
        return [self._ask(VERIFYING, self.view.head())]

    def _read(self, now_us: int, state: BlobState) -> list[Command]:
        """The HEAD after the Raise, or the one that verifies (headers carry no checksum)."""
        expected = self.view.metadata
        try:
            self.view.adopt(state)
        except ProtocolError as unreadable:
            return self._lost(str(unreadable))
        now = self.view.state()
        if (now.owner, now.term) != self._owner or state.number != self.view.number:
            return self._lost(f"the blob is {now.owner}'s, of term {now.term}")
        if self.step is VERIFYING and now != expected:
            return self._again(now_us, "the metadata read back is not what was written")
        command = self.goal.next(self.view)
        if command is not None:
            return [self._ask(CHANGING, command)]
        self.step = FINISHED
        return []

    def _trouble(self, now_us: int, event: StoreAnswer, *, limited: bool) -> list[Command]:
        assert not isinstance(event, Done)
        if isinstance(event, Failed):
            if event.refusal in (Refusal.LEASE, Refusal.SEQUENCE):
                return self._lost(event.detail)
            self.limited = limited and event.refusal is Refusal.LIMIT
        return self._again(now_us, event.detail)

    def _lost(self, detail: str) -> list[Command]:
        self.step = WAITING
        self.fenced = True
        self.detail = detail
        return []

    def _again(self, now_us: int, detail: str) -> list[Command]:
        self.step = WAITING
        self.view.restart()
        wait_us = LIMIT_BACKOFF_US if self.limited else BACKOFF_US
        note = Note("store-trouble", (("during", "section"), ("detail", detail)))
        return [note, SetTimer(TIMER, now_us + wait_us)]

    def _ask(self, step: Step, command: Asked) -> Command:
        self.step = step
        self._asked, self.awaited = command, command.id
        return command

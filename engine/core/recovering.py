"""What a standby that owns the blob would mount: found, finished and checked, from a HEAD alone.

    marked, with a pin   -> list the snapshots -> the pin's footer     (P10; never a doomed one, H3)
    an intent            -> rolled forward in a section -> the footer  (ROLL)
    else                 -> the footer

Nothing read before the fence is used (H13). Without an image of the volume: refused, and why.
"""

from collections.abc import Callable
from enum import Enum, auto

from engine.core import section
from engine.core.blob_metadata import BlobMetadata, Mark
from engine.core.listed_point import listed
from engine.core.messages import (
    Command,
    Done,
    ListSnapshots,
    Note,
    ReadPage,
    SetTimer,
    StoreAnswer,
)
from engine.core.ownership import Owned
from engine.core.resizing import Roll
from engine.core.section import Section
from engine.errors import FooterError, ProtocolError
from engine.units import FOOTER_BYTES, SECOND_US
from engine.vhd import disk_bytes, parse_footer

TIMER = "retry"
RETRY_US = SECOND_US


def objection(metadata: BlobMetadata, node: str) -> str:
    """Why this blob cannot be failed over to by this node, or ""."""
    if metadata.mark is Mark.SEED:
        return (
            "seeding: the first copy was not finished, so the blob is no image of the volume;"
            " there is nothing to fail over to"
        )
    if metadata.mark is not Mark.NONE and not metadata.pin:
        return f"the blob is marked {metadata.mark.value} and has no recovery point"
    if metadata.mark is not Mark.NONE and metadata.pin in metadata.doomed:
        return f"the blob is marked {metadata.mark.value} and its recovery point is being deleted"
    if metadata.owner != node and metadata.mounted:
        return f"{metadata.owner} has already taken over and mounted the disk"
    try:
        metadata.parsed_intent()
    except ProtocolError as unknown:
        return str(unknown)
    return ""


class Step(Enum):
    """Which answer is awaited."""

    LISTING = auto()
    ROLLING = auto()
    READING = auto()
    READY = auto()


class Recovering:
    """From owning the blob to knowing what is mounted.

    Ends with step READY, or with a `refusal`, or `fenced`: to be owned again. `snapshot`: the
    point to mount, "" for the live blob; metadata, etag: the blob's, to be claimed with.
    """

    def __init__(self, owned: Owned, next_id: Callable[[], int]) -> None:
        self._owned = owned
        self._next_id = next_id
        self._awaited = -1
        self._section: Section | None = None
        self._length = owned.state.length
        self.step = Step.READING
        self.metadata = owned.metadata
        self.etag = owned.state.etag
        self.snapshot = ""
        self.size_bytes = 0
        self.refusal = ""
        self.fenced = False

    def start(self) -> list[Command]:
        """The first request of the step that it is at."""
        if self.metadata.mark is not Mark.NONE and not self.snapshot:
            self.step = Step.LISTING
            self._awaited = self._next_id()
            return [ListSnapshots(self._awaited)]
        if self.metadata.intent and self.metadata.mark is Mark.NONE:
            self.step = Step.ROLLING
            owner = (self.metadata.owner, self.metadata.term)
            lease, number = self._owned.lease, self._owned.number
            self._section = Section(Roll(), owner, lease, number, self._next_id)
            return self._section.start()
        self.step = Step.READING
        self._awaited = self._next_id()
        lease_id = None if self.snapshot else self._owned.lease
        at = self._length - FOOTER_BYTES
        return [ReadPage(self._awaited, at, lease_id, self.snapshot)]

    def handles(self, command_id: int) -> bool:
        """Whether this answer is for it."""
        rolling = self._section is not None and self._section.awaited == command_id
        return rolling or command_id == self._awaited

    def timer(self, key: str) -> list[Command]:
        """A wait is over; any other key is none of it."""
        if key == section.TIMER and self._section is not None:
            return self._section.timer()
        if key == TIMER and self._awaited < 0 and self.step in (Step.LISTING, Step.READING):
            return self.start()
        return []

    def handle(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Take the answer of the step under way."""
        if self.step is Step.ROLLING:
            return self._rolled(now_us, event)
        self._awaited = -1
        if not isinstance(event, Done):
            note = Note("store-trouble", (("during", "failing over"), ("detail", event.detail)))
            return [note, SetTimer(TIMER, now_us + RETRY_US)]
        return self._listed(event) if self.step is Step.LISTING else self._read(event)

    def _listed(self, event: Done) -> list[Command]:
        pin = self.metadata.pin
        for point in listed(event.snapshots):
            if point.snapshot == pin:
                self.snapshot = pin
                self._length = disk_bytes(point.volume_bytes) + FOOTER_BYTES
                return self.start()
        self.refusal = f"the recovery point {pin} that the blob names does not exist"
        return []

    def _rolled(self, now_us: int, event: StoreAnswer) -> list[Command]:
        change = self._section
        assert change is not None
        out = change.handle(now_us, event)
        if change.fenced:
            self.fenced = True
        elif change.is_finished():
            self._section = None
            self.metadata, self.etag = change.view.state(), change.etag
            self._length = change.view.length
            return [*out, *self.start()]
        return out

    def _read(self, event: Done) -> list[Command]:
        try:
            footer = parse_footer(event.page, self._length)
        except FooterError as invalid:
            self.refusal = str(invalid)
            return []
        self.size_bytes = footer.size_bytes
        self.step = Step.READY
        return []

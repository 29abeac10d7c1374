"""SECTION: change footer and metadata while nothing else is in flight (protocol.md H5, H6).

Raise -> HEAD -> footer -> SetMetadata -> HEAD tells whether it is there; each change carries
If-Match. A footer that is taken away goes after the metadata: a blob without a mark always has its
footer. Any answer but Done starts again at the Raise, which kills whatever may still be on its way.
The caller must see to it that no data request is in flight, and must not send one before
`finished`.
"""

from collections.abc import Callable
from enum import Enum, auto

from engine.core.blob_metadata import BlobMetadata, parse_metadata
from engine.core.messages import (
    Clear,
    Command,
    Done,
    Failed,
    Head,
    Note,
    Part,
    Put,
    Raise,
    Refusal,
    SetMetadata,
    SetTimer,
    StoreAnswer,
)
from engine.errors import ProtocolError
from engine.units import FOOTER_BYTES, SECOND_US

TIMER = "section"
BACKOFF_US = SECOND_US // 2


class Step(Enum):
    """Which answer is awaited."""

    RAISING = auto()
    READING = auto()
    FOOTER = auto()
    METADATA = auto()
    VERIFYING = auto()
    WAITING = auto()
    FINISHED = auto()


class Section:
    """One exclusive change: last page := `footer` (None: cleared), metadata := `target`.

    `fenced` is set when the lease is lost or somebody else owns the blob.
    """

    def __init__(
        self,
        target: BlobMetadata,
        footer_at: int,
        footer: bytes | None,
        lease: str,
        number: int,
        next_id: Callable[[], int],
    ) -> None:
        self.target = target
        self._footer_at = footer_at
        self._footer = footer
        self._lease = lease
        self._next_id = next_id
        self._awaited = -1
        self.number = number
        self.etag = ""
        self.step = Step.WAITING
        self.fenced = False
        self.detail = ""

    def start(self) -> list[Command]:
        """Raise, which starts or restarts the section."""
        self.number += 1
        return [self._ask(Step.RAISING, Raise(self._take(), self.number, self._lease))]

    def is_finished(self) -> bool:
        """Whether the blob is known to say what it should; `etag` is its ETag then."""
        return self.step is Step.FINISHED

    def handles(self, command_id: int) -> bool:
        """Whether this answer is for the section."""
        return command_id == self._awaited

    def timer(self) -> list[Command]:
        """The wait after trouble is over."""
        return self.start() if self.step is Step.WAITING and not self.fenced else []

    def handle(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Take the answer of the step under way."""
        self._awaited = -1
        if not isinstance(event, Done):
            return self._trouble(now_us, event)
        match self.step:
            case Step.RAISING:
                return [self._ask(Step.READING, Head(self._take(), self._lease))]
            case Step.READING:
                return self._read(now_us, event)
            case Step.FOOTER if self._footer is not None:
                return [self._set_metadata(event.etag)]
            case Step.METADATA if self._footer is None:
                return [self._set_footer(event.etag)]
            case Step.FOOTER | Step.METADATA:
                return [self._ask(Step.VERIFYING, Head(self._take(), self._lease))]
            case Step.VERIFYING:
                return self._verify(now_us, event)
            case Step.WAITING | Step.FINISHED:
                raise AssertionError(self.step)

    def _read(self, now_us: int, event: Done) -> list[Command]:
        state = event.state
        assert state is not None
        if not self._still_mine(state.metadata) or state.number != self.number:
            self.fenced = True
            return []
        del now_us
        if self._footer is None:
            return [self._set_metadata(state.etag)]
        return [self._set_footer(state.etag)]

    def _set_footer(self, etag: str) -> Command:
        at, lease, number = self._footer_at, self._lease, self.number
        if self._footer is None:
            clear = Clear(self._take(), at, FOOTER_BYTES, lease, number, etag)
            return self._ask(Step.FOOTER, clear)
        parts = (Part(self._footer, 0, FOOTER_BYTES),)
        put = Put(self._take(), at, FOOTER_BYTES, parts, lease, number, etag)
        return self._ask(Step.FOOTER, put)

    def _set_metadata(self, etag: str) -> Command:
        pairs = self.target.to_map()
        return self._ask(Step.METADATA, SetMetadata(self._take(), pairs, self._lease, etag))

    def _verify(self, now_us: int, event: Done) -> list[Command]:
        state = event.state
        assert state is not None
        if state.metadata != self.target.to_map():
            return self._again(now_us, "the metadata read back is not what was written")
        self.etag = state.etag
        self.step = Step.FINISHED
        return []

    def _still_mine(self, pairs: tuple[tuple[str, str], ...]) -> bool:
        try:
            now = parse_metadata(pairs)
        except ProtocolError as unreadable:
            self.detail = str(unreadable)
            return False
        return (now.owner, now.term) == (self.target.owner, self.target.term)

    def _trouble(self, now_us: int, event: StoreAnswer) -> list[Command]:
        if isinstance(event, Failed) and event.refusal in (Refusal.LEASE, Refusal.SEQUENCE):
            self.fenced = True
            self.detail = event.detail
            return []
        return self._again(now_us, event.detail if not isinstance(event, Done) else "")

    def _again(self, now_us: int, detail: str) -> list[Command]:
        self.step = Step.WAITING
        note = Note("store-trouble", (("during", "section"), ("detail", detail)))
        return [note, SetTimer(TIMER, now_us + BACKOFF_US)]

    def _ask(self, step: Step, command: Command) -> Command:
        self.step = step
        return command

    def _take(self) -> int:
        self._awaited = self._next_id()
        return self._awaited

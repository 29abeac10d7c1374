"""Short forms for tests of the model: one blob, one clock, page tokens instead of bytes."""

from harness.sim.blob_container import Container
from harness.sim.blob_requests import (
    PAGE_BYTES,
    AcquireLease,
    Answer,
    ClearPages,
    CreateBlob,
    Metadata,
    PutPages,
    ReadPages,
    ReadProperties,
    Request,
    TakeSnapshot,
)
from harness.sim.page_blob import PageBlob

BLOB = "disk.vhd"
SECOND_US = 1_000_000
A, B, C = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "abc")


class Asking:
    """A container with one blob of 16 pages; `at` is the time in seconds."""

    def __init__(self, pages: int = 16, number: int = 0) -> None:
        self.service = Container()
        self.at = 0.0
        assert self(CreateBlob(blob=BLOB, length=pages * PAGE_BYTES, number=number)).status == 201

    def __call__(self, request: Request) -> Answer:
        return self.service.apply(int(self.at * SECOND_US), request)

    @property
    def blob(self) -> PageBlob:
        return self.service.blobs[BLOB]

    def put(self, page: int, *tokens: object, lease: str | None = None) -> Answer:
        offset, length = page * PAGE_BYTES, len(tokens) * PAGE_BYTES
        return self(PutPages(blob=BLOB, offset=offset, length=length, pages=tokens, lease=lease))

    def clear(self, page: int, count: int = 1) -> Answer:
        offset, length = page * PAGE_BYTES, count * PAGE_BYTES
        return self(ClearPages(blob=BLOB, offset=offset, length=length))

    def tokens(self, snapshot: str = "") -> tuple[object, ...]:
        """All pages of the blob or a snapshot."""
        length = self(ReadProperties(blob=BLOB, snapshot=snapshot)).length
        assert length is not None
        answer = self(ReadPages(blob=BLOB, offset=0, length=length, snapshot=snapshot))
        assert answer.pages is not None
        return answer.pages

    def take(self, metadata: Metadata = ()) -> str:
        """Take a snapshot; its id."""
        answer = self(TakeSnapshot(blob=BLOB, metadata=metadata))
        assert answer.status == 201
        return answer.snapshot

    def acquire(self, lease: str = A, seconds: int = 60) -> Answer:
        return self(AcquireLease(blob=BLOB, seconds=seconds, proposed=lease))

    def head(self, lease: str | None = None, snapshot: str = "") -> Answer:
        return self(ReadProperties(blob=BLOB, lease=lease, snapshot=snapshot))


def outcome(answer: Answer) -> str:
    """Status and code in one word or two."""
    return f"{answer.status} {answer.code}".strip()

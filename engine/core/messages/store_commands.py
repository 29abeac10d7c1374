"""Commands to the blob: each completes as exactly one of Done, Failed or Unknown."""

from msgspec import Struct

MetadataMap = tuple[tuple[str, str], ...]
"""Blob metadata as sent: lower-case names, sorted, ASCII values."""


class Part(Struct, frozen=True, gc=False):
    """`length` bytes of `payload` from its byte `start`; payload None means zeros."""

    payload: object
    start: int
    length: int


class Head(Struct, frozen=True, gc=False):
    """Read etag, sequence number, length, metadata and lease state in one request."""

    id: int
    lease: str | None


class ReadPage(Struct, frozen=True, gc=False):
    """Read the 512 bytes at `offset`, of the blob or of its snapshot of that id (then no lease)."""

    id: int
    offset: int
    lease: str | None
    snapshot: str = ""


class Create(Struct, frozen=True, gc=False):
    """Create the blob, all zero, only if it does not exist (If-None-Match: *)."""

    id: int
    length: int
    metadata: MetadataMap
    number: int


class Put(Struct, frozen=True, gc=False):
    """Write `parts` in order from `offset`; at most 4 MiB; carries a checksum."""

    id: int
    offset: int
    length: int
    parts: tuple[Part, ...]
    lease: str
    number: int
    if_match: str | None


class Clear(Struct, frozen=True, gc=False):
    """Make `length` bytes from `offset` zero; may be larger than 4 MiB."""

    id: int
    offset: int
    length: int
    lease: str
    number: int
    if_match: str | None


class Raise(Struct, frozen=True, gc=False):
    """Set the sequence number to max(current, number): kills all older requests (F1)."""

    id: int
    number: int
    lease: str


class Resize(Struct, frozen=True, gc=False):
    """Set the blob's length."""

    id: int
    length: int
    lease: str
    if_match: str


class SetMetadata(Struct, frozen=True, gc=False):
    """Replace the whole metadata map."""

    id: int
    metadata: MetadataMap
    lease: str
    if_match: str


class Snapshot(Struct, frozen=True, gc=False):
    """Take a snapshot with metadata of its own."""

    id: int
    metadata: MetadataMap
    lease: str
    if_match: str


class DeleteSnapshot(Struct, frozen=True, gc=False):
    """Delete one snapshot; only ids listed as doomed in the blob's metadata (P8)."""

    id: int
    snapshot: str


class ListSnapshots(Struct, frozen=True, gc=False):
    """List snapshots with their metadata."""

    id: int


class Acquire(Struct, frozen=True, gc=False):
    """Acquire the lease under the proposed id `lease` for `seconds` (15 to 60)."""

    id: int
    lease: str
    seconds: int
    if_match: str


class Renew(Struct, frozen=True, gc=False):
    """Renew the lease."""

    id: int
    lease: str


class Break(Struct, frozen=True, gc=False):
    """Break whatever lease there is, with period 0."""

    id: int
    if_match: str


class Release(Struct, frozen=True, gc=False):
    """Give the lease back."""

    id: int
    lease: str


class Change(Struct, frozen=True, gc=False):
    """Change the lease's id from `lease` to `proposed`."""

    id: int
    lease: str
    proposed: str


StoreCommand = (
    Head | ReadPage | Create | Put | Clear | Raise | Resize | SetMetadata | Snapshot
    | DeleteSnapshot | ListSnapshots | Acquire | Renew | Break | Release | Change
)  # fmt: skip

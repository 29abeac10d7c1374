"""Commands to the blob: each completes as exactly one of Done, Failed or Unknown."""

from dataclasses import dataclass

MetadataMap = tuple[tuple[str, str], ...]
"""Blob metadata as sent: lower-case names, sorted, ASCII values."""


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes of `payload` from its byte `start`; payload None means zeros."""

    payload: object
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Head:
    """Read etag, sequence number, length, metadata and lease state in one request."""

    id: int
    lease: str | None


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Read the 512 bytes at `offset`, of the blob or of its snapshot of that id (then no lease)."""

    id: int
    offset: int
    lease: str | None
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Create:
    """Create the blob, all zero, only if it does not exist (If-None-Match: *)."""

    id: int
    length: int
    metadata: MetadataMap
    number: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write `parts` in order from `offset`; at most 4 MiB; carries a checksum."""

    id: int
    offset: int
    length: int
    parts: tuple[Part, ...]
    lease: str
    number: int
    if_match: str | None


@dataclass(frozen=True, slots=True)
class Clear:
    """Make `length` bytes from `offset` zero; may be larger than 4 MiB."""

    id: int
    offset: int
    length: int
    lease: str
    number: int
    if_match: str | None


@dataclass(frozen=True, slots=True)
class Raise:
    """Set the sequence number to max(current, number): kills all older requests (F1)."""

    id: int
    number: int
    lease: str


@dataclass(frozen=True, slots=True)
class Resize:
    """Set the blob's length."""

    id: int
    length: int
    lease: str
    if_match: str


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """Replace the whole metadata map."""

    id: int
    metadata: MetadataMap
    lease: str
    if_match: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Take a snapshot with metadata of its own."""

    id: int
    metadata: MetadataMap
    lease: str
    if_match: str


@dataclass(frozen=True, slots=True)
class DeleteSnapshot:
    """Delete one snapshot; only ids listed as doomed in the blob's metadata (P8)."""

    id: int
    snapshot: str


@dataclass(frozen=True, slots=True)
class ListSnapshots:
    """List snapshots with their metadata."""

    id: int


@dataclass(frozen=True, slots=True)
class Acquire:
    """Acquire the lease under the proposed id `lease` for `seconds` (15 to 60)."""

    id: int
    lease: str
    seconds: int
    if_match: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Renew the lease."""

    id: int
    lease: str


@dataclass(frozen=True, slots=True)
class Break:
    """Break whatever lease there is, with period 0."""

    id: int
    if_match: str


@dataclass(frozen=True, slots=True)
class Release:
    """Give the lease back."""

    id: int
    lease: str


@dataclass(frozen=True, slots=True)
class Change:
    """Change the lease's id from `lease` to `proposed`."""

    id: int
    lease: str
    proposed: str


StoreCommand = (
    Head | ReadPage | Create | Put | Clear | Raise | Resize | SetMetadata | Snapshot
    | DeleteSnapshot | ListSnapshots | Acquire | Renew | Break | Release | Change
)  # fmt: skip

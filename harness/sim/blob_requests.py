"""Every request that the page-blob model takes, and the answer that it gives.

Requests are plain immutable data: a network can hold, repeat, reorder or drop them. Offsets and
lengths are bytes. A condition that is None is not sent. `snapshot` addresses a snapshot of the
blob by its id; only reads and deletions may.

Source of names and meanings: Azure REST reference, Put Blob, Put Page, Set Blob Properties,
Set Blob Metadata, Snapshot Blob, Delete Blob, Get Blob, Get Page Ranges, Lease Blob, List Blobs.
"""

from typing import Final

from msgspec import Struct

PAGE_BYTES: Final = 512
PUT_BYTES_MAX: Final = 4 << 20
BLOB_BYTES_MAX: Final = 8 << 40
NUMBER_MAX: Final = (1 << 63) - 1
METADATA_BYTES_MAX: Final = 8 << 10
INFINITE: Final = -1
"""Duration of a lease that never expires, in seconds."""

Metadata = tuple[tuple[str, str], ...]
"""Blob metadata: names in lower case, sorted, ASCII values."""
Ranges = tuple[tuple[int, int], ...]
"""Page ranges as (first byte, byte after the last), sorted, apart from each other."""

NO_DIGEST: Final = ""
DIGEST_RIGHT: Final = "right"
DIGEST_WRONG: Final = "wrong"
DIGEST_MALFORMED: Final = "malformed"


class Request(Struct, frozen=True, kw_only=True):
    """What every request may carry: an address, a lease id, and conditions on the ETag."""

    blob: str
    snapshot: str = ""
    lease: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None


class CreateBlob(Request, frozen=True, kw_only=True):
    """Put Blob: a page blob of zeros; replaces what has the name, its snapshots stay."""

    length: int
    number: int = 0
    metadata: Metadata = ()


class PageWrite(Request, frozen=True, kw_only=True):
    """What Put Page has in both of its forms: a range and conditions on the sequence number."""

    offset: int
    length: int
    number_le: int | None = None
    number_lt: int | None = None
    number_eq: int | None = None


class PutPages(PageWrite, frozen=True, kw_only=True):
    """Put Page, update. `pages` has one value a page: bytes or any token.

    None is a page of zeros, which is then absent (the service would list it); simulations only.

    `digest` says what kind of Content-MD5 came with it. `some` tells the places in `pages` that
    are not None, in ascending order, where almost all are: thousands need not be looked at then.
    """

    pages: tuple[object, ...]
    digest: str = NO_DIGEST
    some: tuple[int, ...] | None = None


class ClearPages(PageWrite, frozen=True, kw_only=True):
    """Put Page, clear: the pages read as zeros and are no longer listed; any length."""


class SetProperties(Request, frozen=True, kw_only=True):
    """Set Blob Properties: a new length, or a change of the sequence number, or both.

    `action` is "max", "update" (both with `number`) or "increment" (without).
    """

    length: int | None = None
    action: str = ""
    number: int | None = None


class SetMetadata(Request, frozen=True, kw_only=True):
    """Set Blob Metadata: the whole map is replaced."""

    metadata: Metadata = ()


class TakeSnapshot(Request, frozen=True, kw_only=True):
    """Snapshot Blob. Empty `metadata` copies that of the blob; else it is the snapshot's own."""

    metadata: Metadata = ()


class DeleteBlob(Request, frozen=True, kw_only=True):
    """Delete Blob: one snapshot, or the blob; `snapshots` is "", "include" or "only"."""

    snapshots: str = ""


class ReadProperties(Request, frozen=True, kw_only=True):
    """Get Blob Properties (HEAD)."""


class ReadPages(Request, frozen=True, kw_only=True):
    """Get Blob, a range of it; cut off at the blob's end. The model reads whole pages."""

    offset: int
    length: int


class ListRanges(Request, frozen=True, kw_only=True):
    """Get Page Ranges, of `length` bytes from `offset`, or since the snapshot `previous`."""

    offset: int = 0
    length: int | None = None
    previous: str = ""


class AcquireLease(Request, frozen=True, kw_only=True):
    """Lease Blob, acquire, for `seconds` (15 to 60, or INFINITE) under the id `proposed`."""

    seconds: int
    proposed: str


class RenewLease(Request, frozen=True, kw_only=True):
    """Lease Blob, renew: the lease of id `lease` starts anew."""


class ChangeLease(Request, frozen=True, kw_only=True):
    """Lease Blob, change the id from `lease` to `proposed`."""

    proposed: str


class ReleaseLease(Request, frozen=True, kw_only=True):
    """Lease Blob, release: others may acquire at once."""


class BreakLease(Request, frozen=True, kw_only=True):
    """Lease Blob, break, after at most `period` seconds (0 to 60); None: as long as it has left."""

    period: int | None = None


class Listed(Struct, frozen=True):
    """One row of a listing: the blob (snapshot "") or one of its snapshots."""

    blob: str
    snapshot: str
    etag: str
    length: int
    number: int
    metadata: Metadata


class Answer(Struct, frozen=True):
    """What the service answers. A field that the answer does not carry is None or empty.

    `code` is `x-ms-error-code`; empty with a status of 400 or more where the documentation names
    the status and no code. `pages` of a read has one value a page, None for a page of zeros.
    """

    status: int
    code: str = ""
    etag: str = ""
    number: int | None = None
    length: int | None = None
    metadata: Metadata | None = None
    lease_state: str = ""
    lease_status: str = ""
    lease_duration: str = ""
    lease_id: str = ""
    lease_seconds: int | None = None
    snapshot: str = ""
    pages: tuple[object, ...] | None = None
    ranges: Ranges | None = None
    cleared: Ranges | None = None

    @property
    def refused(self) -> bool:
        """Whether the request certainly changed nothing."""
        return self.status >= 300


LeaseRequest = AcquireLease | RenewLease | ChangeLease | ReleaseLease | BreakLease
ReadRequest = ReadProperties | ReadPages | ListRanges

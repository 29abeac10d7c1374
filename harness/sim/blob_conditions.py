"""Why the service refuses a request: one small check a reason.

A check looks at a blob, the time and a request, and returns the refusal or None. Which of several
reasons the service names first is documented nowhere; the model names the first in its table.

Sources: Azure REST, Lease Blob, "Outcomes of use attempts on blobs by lease state"; Put Page;
Put Blob; Set Blob Properties; Snapshot Blob; Delete Blob; Get Page Ranges; "Specifying conditional
headers for Blob service operations"; "Blob service error codes".
"""

from collections.abc import Callable
from typing import Any, Final

from harness.sim.blob_lease import BAD_VALUE, BREAKING, LEASED, refuse_values
from harness.sim.blob_requests import (
    BLOB_BYTES_MAX,
    DIGEST_MALFORMED,
    DIGEST_WRONG,
    METADATA_BYTES_MAX,
    NUMBER_MAX,
    PAGE_BYTES,
    PUT_BYTES_MAX,
    AcquireLease,
    Answer,
    BreakLease,
    ChangeLease,
    ClearPages,
    CreateBlob,
    DeleteBlob,
    ListRanges,
    PageWrite,
    PutPages,
    ReadPages,
    ReleaseLease,
    RenewLease,
    Request,
    SetMetadata,
    SetProperties,
    TakeSnapshot,
)
from harness.sim.blob_state import BlobState

Check = Callable[[Any, int, Any], Answer | None]
"""A check of one kind of request; the table that holds it knows which."""

NOT_FOUND: Final = Answer(404, "BlobNotFound")
EXISTS: Final = Answer(409, "BlobAlreadyExists")
SNAPSHOT_IS_READ_ONLY: Final = Answer(400)
INVALID_OPERATION: Final = Answer(400, "InvalidOperation")
SNAPSHOTS_PRESENT: Final = Answer(409, "SnapshotsPresent")

LEASE_MISSING: Final = Answer(412, "LeaseIdMissing")
LEASE_NOT_PRESENT: Final = Answer(412, "LeaseNotPresentWithBlobOperation")
LEASE_LOST: Final = Answer(412, "LeaseLost")
LEASE_MISMATCH: Final = Answer(409, "LeaseIdMismatchWithBlobOperation")
LEASE_MISMATCH_BREAKING: Final = Answer(412, "LeaseIdMismatchWithBlobOperation")
LEASE_WITHOUT_BLOB: Final = Answer(412)

CONDITION: Final = Answer(412, "ConditionNotMet")
NOT_MODIFIED: Final = Answer(304, "ConditionNotMet")
UNSATISFIABLE: Final = Answer(400, "UnsatisfiableCondition")
TWO_CONDITIONS: Final = Answer(400, "MultipleConditionHeadersNotSupported")
SEQUENCE: Final = Answer(412, "SequenceNumberConditionNotMet")

BAD_REQUEST: Final = Answer(400)
TOO_LARGE: Final = Answer(413, "RequestBodyTooLarge")
PAGE_RANGE: Final = Answer(416, "InvalidPageRange")
RANGE: Final = Answer(416, "InvalidRange")
RANGE_OF_RANGES: Final = Answer(416)
MD5_MISMATCH: Final = Answer(400, "Md5Mismatch")
MD5_MALFORMED: Final = Answer(400, "InvalidMd5")
METADATA_TOO_LARGE: Final = Answer(400, "MetadataTooLarge")
INCREMENT_TOO_LARGE: Final = Answer(409, "SequenceNumberIncrementTooLarge")
PREVIOUS_MISSING: Final = Answer(409, "PreviousSnapshotNotFound")
PREVIOUS_NEWER: Final = Answer(400, "PreviousSnapshotCannotBeNewer")
OVERWRITTEN: Final = Answer(409)


# ── addresses ─────────────────────────────────────────────────────────────────────────────────


def writable(_blob: BlobState, _now_us: int, request: Request) -> Answer | None:
    """Snapshots are read-only; "a lease cannot be granted for a blob snapshot ... 400"."""
    return SNAPSHOT_IS_READ_ONLY if request.snapshot else None


def found(blob: BlobState, _now_us: int, request: Request) -> Answer | None:
    """A read or deletion names a snapshot that is there."""
    return NOT_FOUND if request.snapshot and blob.addressed(request.snapshot) is None else None


# ── leases ────────────────────────────────────────────────────────────────────────────────────


def write_lease(blob: BlobState, now_us: int, request: Request) -> Answer | None:
    """First three rows of the table: writes with (A), with (B), without an id."""
    lease, given = blob.lease, request.lease
    if lease.id and lease.locked(now_us):
        if given == lease.id:
            return None
        if given is None:
            return LEASE_MISSING
        breaking = lease.state(now_us) == BREAKING
        return LEASE_MISMATCH_BREAKING if breaking else LEASE_MISMATCH
    if given is None:
        return None
    return LEASE_LOST if lease.id else LEASE_NOT_PRESENT


def read_lease(blob: BlobState, now_us: int, request: Request) -> Answer | None:
    """Last three rows of the table; snapshots have no lease: column "available"."""
    given = request.lease
    if given is None:
        return None
    if request.snapshot:
        return LEASE_NOT_PRESENT
    state = blob.lease.state(now_us)
    if state in (LEASED, BREAKING):
        return None if given == blob.lease.id else LEASE_MISMATCH
    return LEASE_LOST if blob.lease.id else LEASE_NOT_PRESENT


def delete_lease(blob: BlobState, now_us: int, request: DeleteBlob) -> Answer | None:
    """Deleting the blob is a write; deleting a snapshot is fenced by nothing (protocol.md F4)."""
    if request.snapshot:
        return read_lease(blob, now_us, request)
    return write_lease(blob, now_us, request)


def acquire(blob: BlobState, now_us: int, request: AcquireLease) -> Answer | None:
    """Row "Acquire" of the table of lease operations."""
    return blob.lease.refuse_acquire(now_us, request)


def renew(blob: BlobState, _now_us: int, request: RenewLease) -> Answer | None:
    """Row "Renew"."""
    return blob.lease.refuse_renew(request)


def change(blob: BlobState, now_us: int, request: ChangeLease) -> Answer | None:
    """Row "Change"."""
    return blob.lease.refuse_change(now_us, request)


def release(blob: BlobState, _now_us: int, request: ReleaseLease) -> Answer | None:
    """Row "Release"."""
    return blob.lease.refuse_release(request)


def break_(blob: BlobState, _now_us: int, _request: BreakLease) -> Answer | None:
    """Row "Break"."""
    return blob.lease.refuse_break()


def lease_values(
    _blob: BlobState, _now_us: int, request: AcquireLease | BreakLease
) -> Answer | None:
    """Durations of 15 to 60 s or infinite, periods of 0 to 60 s."""
    return refuse_values(request)


# ── ETags and sequence numbers ────────────────────────────────────────────────────────────────


def write_etag(blob: BlobState, _now_us: int, request: Request) -> Answer | None:
    """If-Match and If-None-Match of a write, "*" included; both at once are not supported."""
    match, none = request.if_match, request.if_none_match
    if match is not None:
        if none is not None:
            return TWO_CONDITIONS
        return None if match in (blob.etag, "*") else CONDITION
    return CONDITION if none is not None and none in (blob.etag, "*") else None


def create_etag(blob: BlobState, now_us: int, request: CreateBlob) -> Answer | None:
    """As `write_etag`, but If-None-Match "*" has an answer of its own."""
    if request.if_none_match == "*" and request.if_match is None:
        return EXISTS
    return write_etag(blob, now_us, request)


def read_etag(blob: BlobState, _now_us: int, request: Request) -> Answer | None:
    """If-Match fails with 412, If-None-Match with 304."""
    addressed = blob.addressed(request.snapshot)
    etag = addressed.etag if addressed else ""
    if request.if_match is not None and request.if_match not in (etag, "*"):
        return CONDITION
    if request.if_none_match == "*":
        return UNSATISFIABLE
    return NOT_MODIFIED if request.if_none_match == etag else None


def delete_etag(blob: BlobState, now_us: int, request: DeleteBlob) -> Answer | None:
    """As `write_etag`, on the snapshot where one is addressed."""
    addressed = blob.addressed(request.snapshot)
    if addressed is None or addressed is blob:
        return write_etag(blob, now_us, request)
    if request.if_match is not None and request.if_match not in (addressed.etag, "*"):
        return CONDITION
    return CONDITION if request.if_none_match in (addressed.etag, "*") else None


def sequence(blob: BlobState, _now_us: int, request: PageWrite) -> Answer | None:
    """Put Page and clear only: the blob's number is <=, <, = the given one."""
    number = blob.number
    if request.number_eq is not None and number != request.number_eq:
        return SEQUENCE
    if request.number_le is not None and number > request.number_le:
        return SEQUENCE
    if request.number_lt is not None and number >= request.number_lt:
        return SEQUENCE
    return None


# ── ranges, sizes, values ─────────────────────────────────────────────────────────────────────


def whole_pages(_blob: BlobState, _now_us: int, request: PageWrite) -> Answer | None:
    """The body is a whole number of pages."""
    return BAD_REQUEST if request.length % PAGE_BYTES else None


def put_size(_blob: BlobState, _now_us: int, request: PutPages) -> Answer | None:
    """At most 4 MiB, "413 (Request Entity Too Large)"."""
    return TOO_LARGE if request.length > PUT_BYTES_MAX else None


def page_range(blob: BlobState, _now_us: int, request: PageWrite) -> Answer | None:
    """Both ends at page boundaries, and inside the blob."""
    offset, end = request.offset, request.offset + request.length
    bad = offset % PAGE_BYTES or end % PAGE_BYTES or end > blob.length or end <= offset
    return PAGE_RANGE if bad else None


def digest(_blob: BlobState, _now_us: int, request: PutPages) -> Answer | None:
    """Content-MD5 is that of the body."""
    if request.digest == DIGEST_WRONG:
        return MD5_MISMATCH
    return MD5_MALFORMED if request.digest == DIGEST_MALFORMED else None


def read_range(blob: BlobState, _now_us: int, request: ReadPages) -> Answer | None:
    """The range starts inside the blob; its end is cut."""
    addressed = blob.addressed(request.snapshot)
    return RANGE if addressed is not None and request.offset >= addressed.length else None


def ranges_range(blob: BlobState, _now_us: int, request: ListRanges) -> Answer | None:
    """As `read_range`, where a range is given at all."""
    addressed = blob.addressed(request.snapshot)
    if request.length is None or addressed is None or request.offset < addressed.length:
        return None
    return RANGE_OF_RANGES


def previous(blob: BlobState, _now_us: int, request: ListRanges) -> Answer | None:
    """`prevsnapshot` is there, is older, and nothing overwrote the blob as a whole since."""
    if not request.previous:
        return None
    since = blob.snapshot_index(request.previous)
    if since is None:
        return PREVIOUS_MISSING
    until = blob.snapshot_index(request.snapshot) if request.snapshot else None
    if until is not None and until < since:
        return PREVIOUS_NEWER
    generation = blob.generation if until is None else blob.snapshots[until].generation
    return None if blob.snapshots[since].generation == generation else OVERWRITTEN


def bad_length(length: int) -> bool:
    """Whether no page blob can have this length in bytes."""
    return length < 0 or length % PAGE_BYTES != 0 or length > BLOB_BYTES_MAX


def create_values(_blob: BlobState | None, _now_us: int, request: CreateBlob) -> Answer | None:
    """Length a multiple of 512 up to 8 TiB, number from 0 to 2^63-1, metadata up to 8 KiB."""
    if bad_length(request.length):
        return BAD_REQUEST
    if not 0 <= request.number <= NUMBER_MAX:
        return BAD_VALUE
    return METADATA_TOO_LARGE if metadata_bytes(request) > METADATA_BYTES_MAX else None


def property_values(blob: BlobState, _now_us: int, request: SetProperties) -> Answer | None:
    """As for Create; `increment` takes no number, the other actions want one."""
    if request.length is not None and bad_length(request.length):
        return BAD_REQUEST
    if request.action == "increment":
        if request.number is not None:
            return BAD_REQUEST
        return INCREMENT_TOO_LARGE if blob.number >= NUMBER_MAX else None
    if request.action not in ("", "max", "update"):
        return BAD_REQUEST
    if (request.number is None) != (request.action == ""):
        return BAD_REQUEST
    good = request.number is None or 0 <= request.number <= NUMBER_MAX
    return None if good else BAD_VALUE


def metadata_size(
    _blob: BlobState, _now_us: int, request: SetMetadata | TakeSnapshot
) -> Answer | None:
    """Names and values together at most 8 KiB."""
    return METADATA_TOO_LARGE if metadata_bytes(request) > METADATA_BYTES_MAX else None


def metadata_bytes(request: CreateBlob | SetMetadata | TakeSnapshot) -> int:
    """Names and values together."""
    size = 0
    for name, value in request.metadata:
        size += len(name) + len(value)
    return size


def delete_kind(_blob: BlobState, _now_us: int, request: DeleteBlob) -> Answer | None:
    """`x-ms-delete-snapshots` belongs to the blob only."""
    return INVALID_OPERATION if request.snapshot and request.snapshots else None


def delete_alone(blob: BlobState, _now_us: int, request: DeleteBlob) -> Answer | None:
    """A blob with snapshots goes only together with them, or after them."""
    alone = not request.snapshot and not request.snapshots
    return SNAPSHOTS_PRESENT if alone and blob.snapshots else None


def misaligned(_blob: BlobState, _now_us: int, request: PageWrite) -> Answer | None:
    """A range that no blob could have."""
    end = request.offset + request.length
    return PAGE_RANGE if request.offset % PAGE_BYTES or end % PAGE_BYTES else None


OF_THE_REQUEST_ALONE: Final[dict[type[Request], tuple[Check, ...]]] = {
    PutPages: (put_size, whole_pages, misaligned, digest),
    ClearPages: (misaligned,),
    SetProperties: (property_values,),
    SetMetadata: (metadata_size,),
    TakeSnapshot: (metadata_size,),
    DeleteBlob: (delete_kind,),
    AcquireLease: (lease_values,),
    BreakLease: (lease_values,),
}
"""What is wrong with a request whatever blob it is sent to, and also if there is none."""

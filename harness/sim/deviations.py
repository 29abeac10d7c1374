"""Where Azurite answers otherwise than Azure's documentation says: the one table of it.

The model follows the documentation; a test that drives both expects these differences and no
others, and reports one that no longer shows up. "Azurite" is 3.37.0 [ran], and its source where
that says why.

Known and outside the model: Copy Blob shares page tables, kill -9 loses acknowledged requests,
two snapshots of one millisecond get one id, GETs over 20,000 ranges are empty (facts.md 3).
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from harness.sim import blob_conditions as refuse
from harness.sim.blob_lease import BAD_VALUE, BROKEN, EXPIRED, MISMATCH
from harness.sim.blob_requests import (
    BLOB_BYTES_MAX,
    PAGE_BYTES,
    PUT_BYTES_MAX,
    Answer,
    BreakLease,
    CreateBlob,
    ListRanges,
    PageWrite,
    PutPages,
    ReadPages,
    Request,
    SetProperties,
    TakeSnapshot,
)

# Refusals are told apart by identity: two reasons may have the same status and no code.
ACCEPTS: Final = Answer(0)
"""In place of a refusal: Azurite does not refuse for this reason."""
EXACT_IN_DOUBLE: Final = 1 << 53


class Case(Struct, frozen=True):
    """One request, and what mattered of the blob just before it."""

    request: Request
    exists: bool
    length: int = 0
    etag: str = ""
    lease_state: str = ""
    lease_duration: str = ""
    every_range: Answer | None = None
    """For Get Page Ranges with `prevsnapshot`: the answer without it."""


Instead = Callable[[Case, Answer], Answer | None]


class Deviation(Struct, frozen=True):
    """One difference. `instead` turns a documented answer into Azurite's; None: not concerned.

    A documented answer is one refusal, or the success. `parts` says that afterwards Azurite's blob
    is not what the documentation says, so that the two cannot be compared any further.
    """

    name: str
    documented: str
    azurite: str
    source: str
    instead: Instead
    parts: bool = False


def _recode(documented: Answer, azurite: Answer) -> Instead:
    return lambda _case, answer: azurite if answer is documented else None


def _unchecked(documented: Answer, concerns: Callable[[Case], bool]) -> Instead:
    return lambda case, answer: ACCEPTS if answer is documented and concerns(case) else None


def _starts_inside(case: Case) -> bool:
    """A range that is aligned and starts in the blob, but ends past it."""
    request = case.request
    assert isinstance(request, PageWrite)
    aligned = request.offset % PAGE_BYTES == 0 and request.length % PAGE_BYTES == 0
    return aligned and request.length > 0 and request.offset < case.length


def _page_range_code(case: Case, answer: Answer) -> Answer | None:
    if answer is not refuse.PAGE_RANGE or _starts_inside(case):
        return None
    return Answer(416, "Requested Range Not Satisfiable")


def _long_put(case: Case, answer: Answer) -> Answer | None:
    small = not isinstance(case.request, PutPages) or case.request.length <= PUT_BYTES_MAX
    return None if small or answer is not refuse.TOO_LARGE else ACCEPTS


def _huge(case: Case) -> bool:
    length = case.request.length if isinstance(case.request, CreateBlob | SetProperties) else None
    return length is not None and length > BLOB_BYTES_MAX and length % PAGE_BYTES == 0


def _negative(case: Case) -> bool:
    request = case.request
    number = request.number if isinstance(request, CreateBlob | SetProperties) else None
    return number is not None and number < 0


def _rounded(case: Case, answer: Answer) -> Answer | None:
    request = case.request
    if not isinstance(request, CreateBlob | SetProperties) or answer.refused:
        return None
    big = request.number is not None and request.number > EXACT_IN_DOUBLE
    return answer if big else None


def _star_ignored(case: Case) -> bool:
    return case.request.if_none_match == "*" and not isinstance(case.request, TakeSnapshot)


def _snapshot_not_modified(case: Case, answer: Answer) -> Answer | None:
    if not isinstance(case.request, TakeSnapshot):
        return None
    none = case.request.if_none_match
    if answer is refuse.NOT_FOUND and none == "*":
        return refuse.UNSATISFIABLE
    if answer is not refuse.CONDITION:
        return None
    if none is None or case.request.if_match is not None:
        return None
    return refuse.UNSATISFIABLE if none == "*" else refuse.NOT_MODIFIED


def _snapshot_etag(case: Case, answer: Answer) -> Answer | None:
    own = isinstance(case.request, TakeSnapshot) and case.request.metadata
    return Answer(answer.status, "", case.etag) if own and answer.status == 201 else None


def _length_and_number(case: Case, answer: Answer) -> Answer | None:
    request = case.request
    if not isinstance(request, SetProperties) or answer.refused:
        return None
    return answer if request.length is not None and request.action else None


def _previous_ignored(case: Case, answer: Answer) -> Answer | None:
    if not isinstance(case.request, ListRanges) or not case.request.previous:
        return None
    previous = (refuse.PREVIOUS_MISSING, refuse.PREVIOUS_NEWER, refuse.OVERWRITTEN)
    if answer.refused and answer not in previous:
        return None
    return case.every_range if case.length else Answer(416)  # the last as in ranges-of-nothing


def _renews_expired(case: Case, answer: Answer) -> Answer | None:
    return ACCEPTS if answer is MISMATCH and case.lease_state == EXPIRED else None


def _long_break(case: Case) -> bool:
    if not isinstance(case.request, BreakLease):
        return False
    return case.lease_duration == "infinite" or case.lease_state in (BROKEN, EXPIRED)


def _read_at_end(case: Case, answer: Answer) -> Answer | None:
    at_end = isinstance(case.request, ReadPages) and case.request.offset == case.length > 0
    return Answer(206) if at_end and answer is refuse.RANGE else None


def _ranges_of_nothing(case: Case, answer: Answer) -> Answer | None:
    empty = isinstance(case.request, ListRanges) and case.length == 0
    return Answer(416) if empty and not answer.refused else None


_SOURCE: Final = "Azurite 3.37.0 "

DEVIATIONS: Final = (
    Deviation(
        name="foreign-lease-412",
        documented="a request with a foreign id on a leased blob fails with 409 (Lease Blob, table"
        " of use attempts; the list of error codes says 412 for this code: treat both as fenced)",
        azurite="412 LeaseIdMismatchWithBlobOperation in every state",
        source=_SOURCE + "StorageErrorFactory.getBlobLeaseIdMismatchWithBlobOperation",
        instead=_recode(refuse.LEASE_MISMATCH, refuse.LEASE_MISMATCH_BREAKING),
    ),
    Deviation(
        name="lease-lost-code",
        documented="412 LeaseLost: an id was given, and the lease has expired (error codes)",
        azurite="412 LeaseNotPresentWithBlobOperation, with the message of LeaseLost",
        source=_SOURCE + "StorageErrorFactory.getBlobLeaseLost",
        instead=_recode(refuse.LEASE_LOST, refuse.LEASE_NOT_PRESENT),
    ),
    Deviation(
        name="page-range-code",
        documented="416 InvalidPageRange (error codes)",
        azurite="416 with the reason text as its code",
        source=_SOURCE + "StorageErrorFactory.getInvalidPageRange",
        instead=_page_range_code,
    ),
    Deviation(
        name="past-the-end",
        documented="Put Page and clear past the end of the blob: 416 InvalidPageRange",
        azurite="201 if the range starts inside; the page past the end is stored and listed",
        source=_SOURCE + "PageBlobHandler.uploadPages looks at the start only; facts.md 3",
        instead=lambda case, answer: (
            ACCEPTS if answer is refuse.PAGE_RANGE and _starts_inside(case) else None
        ),
        parts=True,
    ),
    Deviation(
        name="put-over-4-mib",
        documented="Put Page of more than 4 MiB: 413 RequestBodyTooLarge",
        azurite="201",
        source="facts.md 3",
        instead=_long_put,
        parts=True,
    ),
    Deviation(
        name="over-8-tib",
        documented="a page blob has at most 8 TiB (Put Blob, Set Blob Properties)",
        azurite="any length is accepted",
        source="facts.md 3",
        instead=_unchecked(refuse.BAD_REQUEST, _huge),
        parts=True,
    ),
    Deviation(
        name="negative-number",
        documented="a sequence number is between 0 and 2^63 - 1",
        azurite="negative ones are accepted",
        source="facts.md 3",
        instead=_unchecked(BAD_VALUE, _negative),
        parts=True,
    ),
    Deviation(
        name="number-rounded",
        documented="sequence numbers up to 2^63 - 1",
        azurite="above 2^53 they are rounded to a double",
        source="facts.md 3: parseInt",
        instead=_rounded,
        parts=True,
    ),
    Deviation(
        name="write-to-snapshot",
        documented="snapshots can be read, copied and deleted, not modified: 400",
        azurite="`snapshot` is ignored: the base blob is written",
        source="facts.md 3; " + _SOURCE + "uploadPages passes no snapshot",
        instead=_unchecked(
            refuse.SNAPSHOT_IS_READ_ONLY,
            lambda case: bool(case.request.snapshot) and not _acquires(case),
        ),
        parts=True,
    ),
    Deviation(
        name="none-match-star",
        documented='If-None-Match "*" of a write fails with 412 where the blob exists (Specifying'
        " conditional headers)",
        azurite="ignored, but for Put Blob",
        source=_SOURCE + "WriteConditionalHeadersValidator; it says that Azure does not return 412"
        " for Set Blob Properties either",
        instead=_unchecked(refuse.CONDITION, _star_ignored),
        parts=True,
    ),
    Deviation(
        name="create-with-lease",
        documented="Put Blob with a lease id where there is no blob: 412 (Put Blob, since 2013)",
        azurite="201",
        source=_SOURCE + "LokiBlobMetadataStore.createBlob validates leases of old blobs only",
        instead=_unchecked(refuse.LEASE_WITHOUT_BLOB, lambda case: not case.exists),
        parts=True,
    ),
    Deviation(
        name="diff-is-everything",
        documented="Get Page Ranges with prevsnapshot: what changed and what was cleared; 400 or"
        " 409 if that snapshot is missing, newer, or from before an overwrite",
        azurite="prevsnapshot is ignored: 200 and every range",
        source="facts.md 3",
        instead=_previous_ignored,
    ),
    Deviation(
        name="length-without-number",
        documented="Set Blob Properties takes a length and a sequence number in one request",
        azurite="200; the length is set, the number is dropped",
        source="protocol.md F5",
        instead=_length_and_number,
        parts=True,
    ),
    Deviation(
        name="snapshot-condition",
        documented="Snapshot Blob whose condition is not met: 412",
        azurite='for If-None-Match 304, or 400 UnsatisfiableCondition for "*", blob or no blob',
        source=_SOURCE + "createSnapshot uses the validator of reads",
        instead=_snapshot_not_modified,
    ),
    Deviation(
        name="snapshot-etag",
        documented="a snapshot with metadata of its own has an ETag of its own (facts.md 2)",
        azurite="the ETag of the blob",
        source=_SOURCE + "createSnapshot copies the properties",
        instead=_snapshot_etag,
    ),
    Deviation(
        name="anyone-renews-expired",
        documented="renewing an expired lease with another id fails with 409",
        azurite="200: any id makes the old lease active again",
        source=_SOURCE + "LeaseExpiredState.renew does not look at the id",
        instead=_renews_expired,
        parts=True,
    ),
    Deviation(
        name="break-period-unchecked",
        documented="a break period is 0 to 60 s: 400 InvalidHeaderValue",
        azurite="any period is taken if the lease is infinite, expired or broken",
        source=_SOURCE + "LeaseLeasedState.break checks finite leases only",
        instead=_unchecked(BAD_VALUE, _long_break),
        parts=True,
    ),
    Deviation(
        name="read-at-end",
        documented="a range that starts at the end of the blob: 416 InvalidRange",
        azurite="206 and nothing",
        source=_SOURCE + "BlobHandler.downloadPageBlob compares with > instead of >=",
        instead=_read_at_end,
    ),
    Deviation(
        name="ranges-of-nothing",
        documented="Get Page Ranges of an empty blob lists nothing",
        azurite="416, also if no range is given",
        source=_SOURCE + "PageBlobHandler.getPageRanges: 0 >= length",
        instead=_ranges_of_nothing,
    ),
    Deviation(
        name="metadata-over-8-kib",
        documented="more than 8 KiB of metadata: 400 MetadataTooLarge",
        azurite="accepted",
        source=_SOURCE + "no such check",
        instead=_recode(refuse.METADATA_TOO_LARGE, ACCEPTS),
        parts=True,
    ),
)


def _acquires(case: Case) -> bool:
    """Acquire is the one lease action that Azurite refuses on a snapshot."""
    return type(case.request).__name__ == "AcquireLease"

"""One page blob with the service's documented semantics: pure, deterministic, fast.

`PageBlob.apply` is one request reaching the service at a moment of the caller's clock (integer
microseconds). Nothing here reads a clock, draws a random number or iterates over a set; payloads
are opaque (blob_requests.PutPages).

Not modelled: Copy Blob, Put Page From URL, tiers and premium limits, soft delete, versions, SAS
and Last-Modified. Reads give whole pages. Whatever Azurite does otherwise is in deviations.py.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from harness.sim import blob_conditions as refuse
from harness.sim.blob_pages import Pages, PageStore, byte_ranges
from harness.sim.blob_requests import (
    DIGEST_RIGHT,
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
    Listed,
    ListRanges,
    PutPages,
    ReadPages,
    ReadProperties,
    ReleaseLease,
    RenewLease,
    Request,
    SetMetadata,
    SetProperties,
    TakeSnapshot,
)
from harness.sim.blob_state import BlobState, SnapshotState

EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""What the caller's clock calls 0, in snapshot ids."""
DAY_US: Final = 86_400_000_000
TWO_DIGITS: Final = [f"{number:02}" for number in range(60)]

DELETED: Final = Answer(202)


class PageBlob(BlobState):
    """A blob that exists. The container creates and forgets it."""

    __slots__ = ()

    def apply(self, now_us: int, request: Request) -> Answer:
        """Carry the request out, or refuse it and change nothing.

        Most requests are of three kinds, and nothing is wrong with them: that is seen at one look.
        """
        if isinstance(request, PutPages):
            if self._sound(now_us, request):
                return self.put_pages(now_us, request)
        elif isinstance(request, ReadProperties):
            if self._readable(now_us, request):
                return self._properties(now_us)
        elif isinstance(request, SetProperties) and self._raises(now_us, request):
            return self.set_properties(now_us, request)
        checks, act = TABLE[type(request)]
        for check in checks:
            refusal = check(self, now_us, request)
            if refusal is not None:
                return refusal
        return act(self, now_us, request)

    def _readable(self, now_us: int, head: ReadProperties) -> bool:
        """Whether nothing can refuse it; without a lease id nothing asks for the lease."""
        lease = head.lease
        return (
            (lease is None or (lease == self.lease.id and self.lease.locked(now_us)))
            and head.if_match is None
            and head.if_none_match is None
            and not head.snapshot
        )

    def _raises(self, now_us: int, request: SetProperties) -> bool:
        """Whether it raises the sequence number, and nothing can refuse it."""
        number = request.number
        return (
            number is not None
            and request.action == "max"
            and request.length is None
            and 0 <= number <= NUMBER_MAX
            and request.lease == self.lease.id
            and self.lease.locked(now_us)
            and request.if_match is None
            and request.if_none_match is None
            and not request.snapshot
        )

    def _sound(self, now_us: int, put: PutPages) -> bool:
        """Whether nothing can refuse it: most puts are like that."""
        lease, offset, length = self.lease, put.offset, put.length
        return (
            put.lease == lease.id
            and put.number_eq == self.number
            and (put.if_match is None or put.if_match == self.etag)
            and put.if_none_match is None
            and put.number_le is None
            and put.number_lt is None
            and not put.snapshot
            and lease.breaks_us is None
            and lease.until_us is not None
            and now_us < lease.until_us
            and put.digest == DIGEST_RIGHT
            and 0 < length <= PUT_BYTES_MAX
            and not length % PAGE_BYTES
            and not offset % PAGE_BYTES
            and 0 <= offset <= self.length - length
        )

    def refusals(self, now_us: int, request: Request) -> list[Answer]:
        """Every reason there is to refuse it, the one that `apply` names first."""
        checks, _ = TABLE[type(request)]
        return [answer for check in checks if (answer := check(self, now_us, request))]

    def image(self, snapshot: str = "") -> Pages:
        """All present pages of the blob (live, not to be changed) or of a snapshot (a copy)."""
        return self.store.image(self.snapshot_index(snapshot) if snapshot else None)

    def listed(self) -> list[Listed]:
        """The rows of a listing: snapshots from old to new, then the blob."""
        rows: list[SnapshotState | PageBlob] = [*self.snapshots, self]
        return [
            Listed(
                self.name,
                "" if row is self else self.snapshots[at].id,
                row.etag,
                row.length,
                row.number,
                row.metadata,
            )
            for at, row in enumerate(rows)
        ]

    # ── writes that nothing refused ──────────────────────────────────────────────────────────

    def create(self, now_us: int, request: CreateBlob) -> Answer:
        """Put Blob, also over what was there: lease and snapshots stay."""
        if self.snapshots:
            self.store.clear(0, self.length // PAGE_BYTES)
        else:
            self.store = PageStore()
        self.generation += 1
        self.length = request.length
        self.number = request.number
        self.metadata = request.metadata
        self.changed(now_us)
        return Answer(201, "", self.etag)

    def put_pages(self, now_us: int, request: PutPages) -> Answer:
        """Put Page, update."""
        self.store.put(request.offset // PAGE_BYTES, request.pages, request.some)
        self.changed(now_us)
        return Answer(201, "", self.etag, self.number)

    def clear_pages(self, now_us: int, request: ClearPages) -> Answer:
        """Put Page, clear."""
        first = request.offset // PAGE_BYTES
        self.store.clear(first, first + request.length // PAGE_BYTES)
        self.changed(now_us)
        return Answer(201, "", self.etag, self.number)

    def set_properties(self, now_us: int, request: SetProperties) -> Answer:
        """Length first, then the number; both under one new ETag."""
        if request.length is not None:
            if request.length < self.length:
                self.store.clear(request.length // PAGE_BYTES, self.length // PAGE_BYTES)
            self.length = request.length
        if request.action == "increment":
            self.number += 1
        elif request.number is not None:
            raised = request.action == "max"
            self.number = max(self.number, request.number) if raised else request.number
        self.changed(now_us)
        return Answer(200, "", self.etag, self.number)

    def set_metadata(self, now_us: int, request: SetMetadata) -> Answer:
        """The whole map is replaced."""
        self.metadata = request.metadata
        self.changed(now_us)
        return Answer(200, "", self.etag)

    def take_snapshot(self, now_us: int, request: TakeSnapshot) -> Answer:
        """Its ETag is that of the blob, unless it has metadata of its own."""
        taken = SnapshotState(
            self._snapshot_id(now_us),
            self.etags.fresh() if request.metadata else self.etag,
            self.length,
            self.number,
            request.metadata or self.metadata,
            self.generation,
        )
        self.store.take_snapshot()
        self.snapshots.append(taken)
        return Answer(201, "", taken.etag, snapshot=taken.id)

    def _snapshot_id(self, now_us: int) -> str:
        """Time of the snapshot; a later one has a later id, even at the same microsecond."""
        name = snapshot_name(now_us)
        while self.snapshots and name <= self.snapshots[-1].id:
            now_us += 1
            name = snapshot_name(now_us)
        return name

    def delete_snapshots(self, _now_us: int, request: DeleteBlob) -> Answer:
        """Snapshots only: the container forgets the blob itself."""
        gone = range(len(self.snapshots))
        if request.snapshot:
            index = self.snapshot_index(request.snapshot)
            assert index is not None
            gone = range(index, index + 1)
        for index in reversed(gone):
            self.store.drop_snapshot(index)
            del self.snapshots[index]
        return DELETED

    # ── reads ─────────────────────────────────────────────────────────────────────────────────

    def read_properties(self, now_us: int, request: ReadProperties) -> Answer:
        """Everything a HEAD tells; snapshots have no lease."""
        row = self.addressed(request.snapshot)
        assert row is not None
        if row is not self:
            return Answer(200, "", row.etag, row.number, row.length, row.metadata)
        return self._properties(now_us)

    def _properties(self, now_us: int) -> Answer:
        lease = self.lease
        status = "locked" if lease.locked(now_us) else "unlocked"
        return Answer(
            200, "", self.etag, self.number, self.length, self.metadata,
            lease.state(now_us), status, lease.duration(now_us),
        )  # fmt: skip

    def read_pages(self, _now_us: int, request: ReadPages) -> Answer:
        """All pages that the range touches, cut at the end."""
        row = self.addressed(request.snapshot)
        assert row is not None
        end = min(request.offset + request.length, row.length)
        pages = self.store.read(
            request.offset // PAGE_BYTES,
            -(-end // PAGE_BYTES),
            self.snapshot_index(request.snapshot) if request.snapshot else None,
        )
        return Answer(206, "", row.etag, row.number, row.length, row.metadata, pages=pages)

    def list_ranges(self, _now_us: int, request: ListRanges) -> Answer:
        """Present pages, or those changed since `previous` and the ones cleared since."""
        row = self.addressed(request.snapshot)
        assert row is not None
        until = self.snapshot_index(request.snapshot) if request.snapshot else None
        first, end = request.offset // PAGE_BYTES, row.length // PAGE_BYTES
        if request.length is not None:
            end = min(end, -(-(request.offset + request.length) // PAGE_BYTES))
        image = self.store.image(until)
        cleared: list[int] = []
        if request.previous:
            since = self.snapshot_index(request.previous)
            assert since is not None
            changed = [at for at in self.store.changed(since, until) if first <= at < end]
            present = [page for page in changed if page in image]
            cleared = [page for page in changed if page not in image]
        else:
            present = sorted(page for page in image if first <= page < end)
        return Answer(
            200, "", row.etag, length=row.length,
            ranges=byte_ranges(present), cleared=byte_ranges(cleared),
        )  # fmt: skip

    # ── lease actions: the ETag stays ─────────────────────────────────────────────────────────

    def acquire_lease(self, now_us: int, request: AcquireLease) -> Answer:
        """Active from now on."""
        self.lease.acquire(now_us, request)
        return Answer(201, "", self.etag, lease_id=self.lease.id)

    def renew_lease(self, now_us: int, _request: RenewLease) -> Answer:
        """The same duration anew."""
        self.lease.renew(now_us)
        return Answer(200, "", self.etag, lease_id=self.lease.id)

    def change_lease(self, _now_us: int, request: ChangeLease) -> Answer:
        """The time left stays."""
        self.lease.id = request.proposed
        return Answer(200, "", self.etag, lease_id=self.lease.id)

    def release_lease(self, _now_us: int, _request: ReleaseLease) -> Answer:
        """Available at once."""
        self.lease.forget()
        return Answer(200, "", self.etag)

    def break_lease(self, now_us: int, request: BreakLease) -> Answer:
        """Tells how long it stays locked."""
        return Answer(202, "", self.etag, lease_seconds=self.lease.break_(now_us, request))


def snapshot_name(now_us: int) -> str:
    """A snapshot's id: the time with seven digits after the point, as the service has it."""
    days, rest = now_us // DAY_US, now_us % DAY_US
    seconds, micros = rest // 1_000_000, rest % 1_000_000
    hours, minutes = TWO_DIGITS[seconds // 3600], TWO_DIGITS[seconds // 60 % 60]
    day = f"{EPOCH + timedelta(days):%Y-%m-%d}" if days else "2020-01-01"
    fraction = str(1_000_000 + micros)[1:]
    return f"{day}T{hours}:{minutes}:{TWO_DIGITS[seconds % 60]}.{fraction}0Z"


Act = Callable[[Any, int, Any], Answer]
_READ: Final = (refuse.found, refuse.read_lease)
_ETAG_OF_LEASE: Final = (refuse.writable, refuse.write_etag)
_WRITE: Final = (refuse.writable, refuse.write_lease)

TABLE: Final[dict[type[Request], tuple[tuple[refuse.Check, ...], Act]]] = {
    PutPages: (
        (
            *_WRITE, refuse.put_size, refuse.whole_pages, refuse.page_range, refuse.digest,
            refuse.write_etag, refuse.sequence,
        ),
        PageBlob.put_pages,
    ),
    ClearPages: (
        (*_WRITE, refuse.page_range, refuse.write_etag, refuse.sequence),
        PageBlob.clear_pages,
    ),
    CreateBlob: (
        (*_WRITE, refuse.create_values, refuse.create_etag),
        PageBlob.create,
    ),
    SetProperties: (
        (*_WRITE, refuse.property_values, refuse.write_etag),
        PageBlob.set_properties,
    ),
    SetMetadata: (
        (*_WRITE, refuse.metadata_size, refuse.write_etag),
        PageBlob.set_metadata,
    ),
    TakeSnapshot: (
        (refuse.writable, refuse.read_lease, refuse.metadata_size, refuse.write_etag),
        PageBlob.take_snapshot,
    ),
    DeleteBlob: (
        (
            refuse.found, refuse.delete_lease, refuse.delete_kind, refuse.delete_alone,
            refuse.delete_etag,
        ),
        PageBlob.delete_snapshots,
    ),
    ReadProperties: ((*_READ, refuse.read_etag), PageBlob.read_properties),
    ReadPages: ((*_READ, refuse.read_range, refuse.read_etag), PageBlob.read_pages),
    ListRanges: (
        (*_READ, refuse.ranges_range, refuse.previous, refuse.read_etag),
        PageBlob.list_ranges,
    ),
    AcquireLease: (
        (*_ETAG_OF_LEASE, refuse.lease_values, refuse.acquire),
        PageBlob.acquire_lease,
    ),
    RenewLease: ((*_ETAG_OF_LEASE, refuse.renew), PageBlob.renew_lease),
    ChangeLease: ((*_ETAG_OF_LEASE, refuse.change), PageBlob.change_lease),
    ReleaseLease: ((*_ETAG_OF_LEASE, refuse.release), PageBlob.release_lease),
    BreakLease: ((*_ETAG_OF_LEASE, refuse.lease_values, refuse.break_), PageBlob.break_lease),
}  # fmt: skip
"""For each request: what can refuse it, in the order in which the model looks; then what it does.
The lease comes before the ETag, the ETag before the sequence number; this order is the model's."""

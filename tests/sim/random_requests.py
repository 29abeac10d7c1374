"""Random requests for the model and the service, drawn so that most get past the conditions.

A request is drawn from one seed, and not from many draws of Hypothesis: those repeat themselves
so much that a short run never meets some requests; a story is shrunk by its steps. A draw looks
at the model's blob: the right lease id, the present ETag and numbers around the present one are
likely, wrong and stale ones are not rare. A draw of what makes Azurite's blob differ from the
documented one (deviations.py) is rare, since the comparison ends there.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

from harness.sim.blob_requests import (
    BLOB_BYTES_MAX,
    DIGEST_MALFORMED,
    DIGEST_RIGHT,
    DIGEST_WRONG,
    INFINITE,
    NO_DIGEST,
    PAGE_BYTES,
    AcquireLease,
    BreakLease,
    ChangeLease,
    ClearPages,
    CreateBlob,
    DeleteBlob,
    ListRanges,
    Metadata,
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
from harness.sim.page_blob import PageBlob
from tests.sim.twin import BOGUS_ETAG, BOGUS_SNAPSHOT

T = TypeVar("T")

PAGES_MAX = 24
LEASES = tuple(f"00000000-0000-4000-8000-00000000000{digit}" for digit in "abc")
SECONDS = (60, 60, 60, 60, INFINITE, INFINITE, INFINITE, 14, 61, 0)
"""No lease that could expire while it is looked at."""
PERIODS = (0, 0, 0, None, None, 60, 45, 61)
METADATA: tuple[Metadata, ...] = (
    (), (), (("owner", "primary-1"),), (("epoch", "4"), ("mark", "resync")), (("size", "0"),),
)  # fmt: skip


def page(seed: int) -> bytes:
    """A page that tells which one it is; seed 0: all zeros, and yet written."""
    return bytes(PAGE_BYTES) if seed == 0 else seed.to_bytes(4, "big") * (PAGE_BYTES // 4)


class Requests:
    """Draws requests for one blob, which may be missing."""

    def __init__(
        self, seed: int, name: str, blob: PageBlob | None, etags: list[str], now_us: int
    ) -> None:
        self.random = Random(seed)
        self.name = name
        self.blob = blob
        self.etags = etags
        """ETags that the blob ever had, the latest last."""
        self.locked = blob is not None and blob.lease.locked(now_us)

    def pick(self, items: Sequence[T]) -> T:
        """One of them, each as likely."""
        return items[int(self.random.random() * len(items))]

    def between(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        return low + int(self.random.random() * (high - low + 1))

    def one_in(self, count: int) -> bool:
        """True once in `count` draws."""
        return self.between(1, count) == 1

    # ── conditions ────────────────────────────────────────────────────────────────────────────

    def lease(self, *, needed: bool) -> str | None:
        """The id that a write needs, or the one it does not need, or a wrong one."""
        held = self.blob.lease.id if self.blob else ""
        if self.one_in(8):
            return self.pick((None, *LEASES))
        ended = bool(held) and not self.locked
        return held if needed or (ended and self.one_in(3)) else None

    def conditions(self, *, needs_lease: bool, wild: bool = True) -> dict[str, Any]:
        """Lease id, If-Match, If-None-Match; `wild` allows a write's If-None-Match "*"."""
        found: dict[str, Any] = {"lease": self.lease(needed=needs_lease and self.locked)}
        if self.one_in(4):
            found["if_match"] = self.etag("*", BOGUS_ETAG)
        elif self.one_in(8):
            star = wild and self.one_in(12)
            found["if_none_match"] = "*" if star else self.etag(BOGUS_ETAG)
        return found

    def etag(self, *others: str) -> str:
        """Mostly the present one."""
        if self.etags and not self.one_in(3):
            return self.etags[-1]
        return self.pick((*self.etags[-3:], *others))

    def numbers(self) -> dict[str, int]:
        """Conditions of Put Page on the sequence number: around the present one."""
        if not self.one_in(3):
            return {}
        number = self.blob.number if self.blob else 0
        kind = self.pick(("number_eq", "number_le", "number_lt"))
        return {kind: max(0, number + self.between(-1, 1))}

    def snapshot(self) -> str:
        """One of the blob's snapshots, or one that never was."""
        known = [row.id for row in self.blob.snapshots] if self.blob else []
        return self.pick((*known, *known, BOGUS_SNAPSHOT))

    def length(self) -> int:
        """A length of a blob; rarely a bad one."""
        if self.one_in(10):
            return self.pick((513, 511, BLOB_BYTES_MAX, 0))
        return PAGE_BYTES * self.between(1, PAGES_MAX)

    def range(self) -> tuple[int, int]:
        """Offset and length of a write: mostly inside, rarely past the end or between pages."""
        pages = (self.blob.length if self.blob else 0) // PAGE_BYTES
        pages = min(pages, PAGES_MAX)
        first = self.between(0, max(0, pages - 1))
        count = self.between(1, max(1, pages - first))
        offset, length = first * PAGE_BYTES, count * PAGE_BYTES
        if self.one_in(8):
            shift = self.pick(((1, 0), (0, -1), (1, -1)))
            return offset + shift[0], length + shift[1]
        if self.one_in(12) and self.blob:
            return self.blob.length, length
        if self.one_in(40) and self.blob:
            return max(0, self.blob.length - PAGE_BYTES), 2 * PAGE_BYTES
        return offset, length

    def anything(self) -> Request:
        """Any request, those that matter most more often."""
        if self.blob is None and not self.one_in(4):
            return self.create()
        often = (self.put, self.put, self.lease_action, self.lease_action, self.read, self.read)
        rarer = (self.clear, self.resize, self.set_number, self.set_metadata, self.take_snapshot)
        draw = self.pick((*often, *often, *rarer, *rarer, self.delete, self.create))
        return draw()

    # ── requests ──────────────────────────────────────────────────────────────────────────────

    def create(self) -> Request:
        """Put Blob, mostly with If-None-Match "*", so that it rarely wipes what is there."""
        given = self.conditions(needs_lease=self.blob is not None)
        if self.blob is None and not self.one_in(20):
            given.pop("lease")
        if not self.one_in(3):
            given.pop("if_match", None)
            given["if_none_match"] = "*"
        number = self.between(0, 3)
        metadata = self.pick(METADATA)
        length = self.length()
        return CreateBlob(blob=self.name, length=length, number=number, metadata=metadata, **given)

    def put(self) -> Request:
        """Put Page, update; one in many addressed to a snapshot."""
        offset, length = self.range()
        kinds = (NO_DIGEST, DIGEST_RIGHT, DIGEST_RIGHT, DIGEST_WRONG, DIGEST_MALFORMED)
        given = self.conditions(needs_lease=True) | self.numbers()
        if self.one_in(60):
            given["snapshot"] = self.snapshot()
        seed = self.between(0, 255)
        whole = length % PAGE_BYTES == 0
        pages = tuple(page(seed and seed + at) for at in range(length // PAGE_BYTES))
        return PutPages(
            blob=self.name, offset=offset, length=length, digest=self.pick(kinds),
            pages=pages if whole else (b"?" * length,), **given,
        )  # fmt: skip

    def clear(self) -> Request:
        """Put Page, clear; misaligned ranges only as the service can be told of them."""
        offset, length = self.range()
        given = self.conditions(needs_lease=True) | self.numbers()
        return ClearPages(blob=self.name, offset=offset, length=length, **given)

    def resize(self) -> Request:
        """Set Blob Properties, length."""
        given = self.conditions(needs_lease=True)
        return SetProperties(blob=self.name, length=self.length(), **given)

    def set_number(self) -> Request:
        """Set Blob Properties, sequence number, with and without what the action wants."""
        action = self.pick(("max", "update", "increment"))
        now = self.blob.number if self.blob else 0
        number: int | None = max(0, now + self.between(-2, 5))
        if (action == "increment") != self.one_in(10):
            number = None
        given = self.conditions(needs_lease=True)
        return SetProperties(blob=self.name, action=action, number=number, **given)

    def set_metadata(self) -> Request:
        """Set Blob Metadata."""
        given = self.conditions(needs_lease=True)
        return SetMetadata(blob=self.name, metadata=self.pick(METADATA), **given)

    def take_snapshot(self) -> Request:
        """Snapshot Blob, with and without metadata of its own; most without the lease id."""
        given = self.conditions(needs_lease=self.one_in(2))
        return TakeSnapshot(blob=self.name, metadata=self.pick(METADATA), **given)

    def delete(self) -> Request:
        """Delete Blob: mostly one snapshot; also all of them, also the blob with or without."""
        known = self.blob is not None and bool(self.blob.snapshots)
        if known != self.one_in(4):
            kind = "include" if self.one_in(10) else ""
            lease = self.lease(needed=False)
            return DeleteBlob(blob=self.name, snapshot=self.snapshot(), snapshots=kind, lease=lease)
        given = self.conditions(needs_lease=True)
        kind = self.pick(("", "only", "include"))
        return DeleteBlob(blob=self.name, snapshots=kind, **given)

    def read(self) -> Request:
        """Properties, bytes or ranges, of the blob or a snapshot; ETag conditions on the blob."""
        given = self.conditions(needs_lease=self.one_in(3))
        known = self.blob is not None and bool(self.blob.snapshots)
        if self.one_in(3 if known else 12):
            given = {"snapshot": self.snapshot(), "lease": self.lease(needed=False)}
        kind = self.pick(("properties", "bytes", "ranges"))
        if kind == "properties":
            return ReadProperties(blob=self.name, **given)
        offset = self.between(0, PAGES_MAX) * PAGE_BYTES
        length = self.between(1, PAGES_MAX) * PAGE_BYTES
        if kind == "bytes":
            return ReadPages(blob=self.name, offset=offset, length=length, **given)
        if self.one_in(2):
            return ListRanges(blob=self.name, **given)
        if self.one_in(2 if known else 12):
            return ListRanges(blob=self.name, previous=self.snapshot(), **given)
        return ListRanges(blob=self.name, offset=offset, length=length, **given)

    def lease_action(self) -> Request:
        """The five actions in every state; the id is mostly the one that is held."""
        held = self.blob.lease.id if self.blob else ""
        other = self.pick(LEASES)
        own = other if self.one_in(3) or not held else held
        given: dict[str, Any] = {}
        if self.one_in(5):
            given["if_match"] = self.etag("*", BOGUS_ETAG)
        often = "break" if held else "acquire"
        action = self.pick(("acquire", "break", "renew", "change", "release", often, often))
        if action == "acquire":
            seconds = self.pick(SECONDS)
            proposed = held if held and self.one_in(2) else other
            return AcquireLease(blob=self.name, seconds=seconds, proposed=proposed, **given)
        if action == "break":
            return BreakLease(blob=self.name, period=self.pick(PERIODS), **given)
        if action == "change":
            return ChangeLease(blob=self.name, lease=own, proposed=other, **given)
        if action == "renew":
            return RenewLease(blob=self.name, lease=own, **given)
        return ReleaseLease(blob=self.name, lease=own, **given)

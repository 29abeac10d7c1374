"""Random requests for the model and the service, drawn so that most get past the conditions.

A draw looks at the model's blob: the right lease id, the present ETag and numbers around the
present one are likely, wrong and stale ones are not rare. A draw of what makes Azurite's blob
differ from the documented one (deviations.py) is rare, since the comparison ends there.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

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

Draw = Callable[[st.SearchStrategy[Any]], Any]

PAGES_MAX = 24
LEASES = tuple(f"00000000-0000-4000-8000-00000000000{digit}" for digit in "abc")
SECONDS = st.sampled_from((60, 60, INFINITE, INFINITE, 14, 61, 0))
"""No lease that could expire while it is looked at."""
PERIODS = st.sampled_from((0, 0, None, 60, 45, 61))
METADATA: st.SearchStrategy[Metadata] = st.sampled_from(
    ((), (("owner", "primary-1"),), (("epoch", "4"), ("mark", "resync")), (("size", "0"),))
)


def one_in(draw: Draw, count: int) -> bool:
    """True once in about `count` draws; shrinks to False."""
    return bool(draw(st.integers(0, count - 1)) == count - 1)


def page(seed: int) -> bytes:
    """A page that tells which one it is; seed 0: all zeros, and yet written."""
    return bytes(PAGE_BYTES) if seed == 0 else seed.to_bytes(4, "big") * (PAGE_BYTES // 4)


class Requests:
    """Draws requests for one blob, which may be missing."""

    def __init__(
        self, draw: Draw, name: str, blob: PageBlob | None, etags: list[str], now_us: int
    ) -> None:
        self.draw = draw
        self.name = name
        self.blob = blob
        self.etags = etags
        """ETags that the blob ever had, the latest last."""
        self.locked = blob is not None and blob.lease.locked(now_us)

    # ── conditions ────────────────────────────────────────────────────────────────────────────

    def lease(self, *, needed: bool) -> str | None:
        """The id that a write needs, or the one it does not need, or a wrong one."""
        held = self.blob.lease.id if self.blob else ""
        if one_in(self.draw, 8):
            return self.draw(st.sampled_from((None, *LEASES)))  # type: ignore[no-any-return]
        return held if held and needed else None

    def conditions(self, *, needs_lease: bool, wild: bool = True) -> dict[str, Any]:
        """Lease id, If-Match, If-None-Match; `wild` allows a write's If-None-Match "*"."""
        found: dict[str, Any] = {"lease": self.lease(needed=needs_lease and self.locked)}
        if one_in(self.draw, 4):
            found["if_match"] = self.etag("*", BOGUS_ETAG)
        elif one_in(self.draw, 8):
            star = wild and one_in(self.draw, 12)
            found["if_none_match"] = "*" if star else self.etag(BOGUS_ETAG)
        return found

    def etag(self, *others: str) -> str:
        """Mostly the present one."""
        if self.etags and not one_in(self.draw, 3):
            return self.etags[-1]
        return str(self.draw(st.sampled_from((*self.etags[-3:], *others))))

    def numbers(self) -> dict[str, int]:
        """Conditions of Put Page on the sequence number: around the present one."""
        if not one_in(self.draw, 3):
            return {}
        number = self.blob.number if self.blob else 0
        kind = self.draw(st.sampled_from(("number_eq", "number_le", "number_lt")))
        return {kind: max(0, number + self.draw(st.integers(-1, 1)))}

    def snapshot(self) -> str:
        """One of the blob's snapshots, or one that never was."""
        known = [row.id for row in self.blob.snapshots] if self.blob else []
        return str(self.draw(st.sampled_from((*known, *known, BOGUS_SNAPSHOT))))

    def length(self) -> int:
        """A length of a blob; rarely a bad one."""
        if one_in(self.draw, 10):
            return int(self.draw(st.sampled_from((513, 511, BLOB_BYTES_MAX, 0))))
        return PAGE_BYTES * int(self.draw(st.integers(1, PAGES_MAX)))

    def range(self) -> tuple[int, int]:
        """Offset and length of a write: mostly inside, rarely past the end or between pages."""
        pages = (self.blob.length if self.blob else 0) // PAGE_BYTES
        pages = min(pages, PAGES_MAX)
        first = int(self.draw(st.integers(0, max(0, pages - 1))))
        count = int(self.draw(st.integers(1, max(1, pages - first))))
        offset, length = first * PAGE_BYTES, count * PAGE_BYTES
        if one_in(self.draw, 8):
            shift = self.draw(st.sampled_from(((1, 0), (0, -1), (1, -1))))
            return offset + shift[0], length + shift[1]
        if one_in(self.draw, 12) and self.blob:
            return self.blob.length, length
        if one_in(self.draw, 40) and self.blob:
            return max(0, self.blob.length - PAGE_BYTES), 2 * PAGE_BYTES
        return offset, length

    # ── requests ──────────────────────────────────────────────────────────────────────────────

    def create(self) -> Request:
        """Put Blob, mostly with If-None-Match "*", so that it rarely wipes what is there."""
        given = self.conditions(needs_lease=self.blob is not None)
        if self.blob is None and not one_in(self.draw, 20):
            given.pop("lease")
        if not one_in(self.draw, 3):
            given.pop("if_match", None)
            given["if_none_match"] = "*"
        number = int(self.draw(st.integers(0, 3)))
        metadata = self.draw(METADATA)
        length = self.length()
        return CreateBlob(blob=self.name, length=length, number=number, metadata=metadata, **given)

    def put(self) -> Request:
        """Put Page, update; one in many addressed to a snapshot."""
        offset, length = self.range()
        kinds = (NO_DIGEST, DIGEST_RIGHT, DIGEST_RIGHT, DIGEST_WRONG, DIGEST_MALFORMED)
        given = self.conditions(needs_lease=True) | self.numbers()
        if one_in(self.draw, 60):
            given["snapshot"] = self.snapshot()
        seed = int(self.draw(st.integers(0, 255)))
        whole = length % PAGE_BYTES == 0
        pages = tuple(page(seed and seed + at) for at in range(length // PAGE_BYTES))
        return PutPages(
            blob=self.name, offset=offset, length=length, digest=self.draw(st.sampled_from(kinds)),
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
        action = self.draw(st.sampled_from(("max", "update", "increment")))
        now = self.blob.number if self.blob else 0
        number: int | None = max(0, now + int(self.draw(st.integers(-2, 5))))
        if (action == "increment") != one_in(self.draw, 10):
            number = None
        given = self.conditions(needs_lease=True)
        return SetProperties(blob=self.name, action=action, number=number, **given)

    def set_metadata(self) -> Request:
        """Set Blob Metadata."""
        given = self.conditions(needs_lease=True)
        return SetMetadata(blob=self.name, metadata=self.draw(METADATA), **given)

    def take_snapshot(self) -> Request:
        """Snapshot Blob, with and without metadata of its own; most without the lease id."""
        given = self.conditions(needs_lease=one_in(self.draw, 2))
        return TakeSnapshot(blob=self.name, metadata=self.draw(METADATA), **given)

    def delete(self) -> Request:
        """Delete Blob: mostly one snapshot; also all of them, also the blob with or without."""
        if not one_in(self.draw, 3):
            kind = "include" if one_in(self.draw, 10) else ""
            lease = self.lease(needed=False)
            return DeleteBlob(blob=self.name, snapshot=self.snapshot(), snapshots=kind, lease=lease)
        given = self.conditions(needs_lease=True)
        kind = self.draw(st.sampled_from(("", "only", "include")))
        return DeleteBlob(blob=self.name, snapshots=kind, **given)

    def read(self) -> Request:
        """Properties, bytes or ranges, of the blob or a snapshot; ETag conditions on the blob."""
        given = self.conditions(needs_lease=one_in(self.draw, 3))
        if one_in(self.draw, 3):
            given = {"snapshot": self.snapshot(), "lease": self.lease(needed=False)}
        kind = self.draw(st.sampled_from(("properties", "bytes", "ranges")))
        if kind == "properties":
            return ReadProperties(blob=self.name, **given)
        offset = int(self.draw(st.integers(0, PAGES_MAX))) * PAGE_BYTES
        length = int(self.draw(st.integers(1, PAGES_MAX))) * PAGE_BYTES
        if kind == "bytes":
            return ReadPages(blob=self.name, offset=offset, length=length, **given)
        if one_in(self.draw, 2):
            return ListRanges(blob=self.name, **given)
        if one_in(self.draw, 2):
            return ListRanges(blob=self.name, previous=self.snapshot(), **given)
        return ListRanges(blob=self.name, offset=offset, length=length, **given)

    def lease_action(self) -> Request:
        """The five actions in every state; the id is mostly the one that is held."""
        held = self.blob.lease.id if self.blob else ""
        other = str(self.draw(st.sampled_from(LEASES)))
        own = other if one_in(self.draw, 3) or not held else held
        given: dict[str, Any] = {}
        if one_in(self.draw, 5):
            given["if_match"] = self.etag("*", BOGUS_ETAG)
        action = self.draw(
            st.sampled_from(("acquire", "acquire", "break", "renew", "change", "release"))
        )
        if action == "acquire":
            seconds = self.draw(SECONDS)
            proposed = held if held and one_in(self.draw, 2) else other
            return AcquireLease(blob=self.name, seconds=seconds, proposed=proposed, **given)
        if action == "break":
            return BreakLease(blob=self.name, period=self.draw(PERIODS), **given)
        if action == "change":
            return ChangeLease(blob=self.name, lease=own, proposed=other, **given)
        if action == "renew":
            return RenewLease(blob=self.name, lease=own, **given)
        return ReleaseLease(blob=self.name, lease=own, **given)

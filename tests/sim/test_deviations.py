"""Every row of the table of deviations shows up against Azurite, and none against Azure."""

from collections.abc import Callable

import pytest

from harness.sim.blob_requests import (
    BLOB_BYTES_MAX,
    INFINITE,
    PAGE_BYTES,
    PUT_BYTES_MAX,
    AcquireLease,
    BreakLease,
    CreateBlob,
    ListRanges,
    PutPages,
    ReadPages,
    ReadProperties,
    SetMetadata,
    SetProperties,
    TakeSnapshot,
)
from harness.sim.deviations import DEVIATIONS
from tests.sim.twin import BOGUS_SNAPSHOT, Twin

B = "demo.vhd"
MIB = 1 << 20
PAGE = b"\xa5" * PAGE_BYTES
MINE, THEIRS = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "ab")
SLOW = {"anyone-renews-expired": "a lease has to expire: lease_expiry.py"}


def put(pages: int, offset: int = 0, snapshot: str = "") -> PutPages:
    length = pages * PAGE_BYTES
    return PutPages(blob=B, offset=offset, length=length, pages=(PAGE,) * pages, snapshot=snapshot)


def create(twin: Twin, length: int = MIB) -> None:
    assert twin.send(CreateBlob(blob=B, length=length)).status == 201


def foreign_lease(twin: Twin) -> None:
    create(twin)
    twin.send(AcquireLease(blob=B, seconds=INFINITE, proposed=MINE))
    twin.send(ReadProperties(blob=B, lease=THEIRS))


def lease_lost(twin: Twin) -> None:
    create(twin)
    twin.send(AcquireLease(blob=B, seconds=INFINITE, proposed=MINE))
    twin.send(BreakLease(blob=B, period=0))
    twin.send(SetMetadata(blob=B, lease=MINE))


def long_break(twin: Twin) -> None:
    create(twin)
    twin.send(AcquireLease(blob=B, seconds=INFINITE, proposed=MINE))
    twin.send(BreakLease(blob=B, period=61))


def past_the_end(twin: Twin) -> None:
    create(twin)
    twin.send(put(2, offset=MIB - PAGE_BYTES))


def page_range(twin: Twin) -> None:
    create(twin)
    twin.send(put(1, offset=MIB))


def long_put(twin: Twin) -> None:
    create(twin, 8 * MIB)
    twin.send(put(PUT_BYTES_MAX // PAGE_BYTES + 1))


def snapshot_written(twin: Twin) -> None:
    create(twin)
    twin.send(put(1, snapshot=twin.send(TakeSnapshot(blob=B)).snapshot))


def none_match_star(twin: Twin) -> None:
    create(twin)
    twin.send(SetMetadata(blob=B, if_none_match="*"))


def create_with_lease(twin: Twin) -> None:
    twin.send(CreateBlob(blob=B, length=MIB, lease=MINE))


def diff(twin: Twin) -> None:
    create(twin)
    twin.send(put(4))
    taken = twin.send(TakeSnapshot(blob=B)).snapshot
    twin.send(put(1, offset=PAGE_BYTES))
    answer = twin.send(ListRanges(blob=B, previous=taken))
    assert answer.ranges == ((PAGE_BYTES, 2 * PAGE_BYTES),)
    assert twin.send(ListRanges(blob=B, previous=BOGUS_SNAPSHOT)).status == 409


def length_and_number(twin: Twin) -> None:
    create(twin)
    twin.send(SetProperties(blob=B, length=2 * MIB, action="max", number=7))


def snapshot_condition(twin: Twin) -> None:
    create(twin)
    etag = twin.model.blobs[B].etag
    twin.send(TakeSnapshot(blob=B, if_none_match=etag))
    twin.send(TakeSnapshot(blob=B, if_none_match="*"))


def snapshot_etag(twin: Twin) -> None:
    create(twin)
    twin.send(TakeSnapshot(blob=B, metadata=(("kind", "point"),)))
    twin.check_blob(B)


def read_at_end(twin: Twin) -> None:
    create(twin)
    twin.send(ReadPages(blob=B, offset=MIB, length=PAGE_BYTES))


def ranges_of_nothing(twin: Twin) -> None:
    create(twin, 0)
    twin.send(ListRanges(blob=B))


def long_metadata(twin: Twin) -> None:
    create(twin)
    twin.send(SetMetadata(blob=B, metadata=(("volume", "x" * 8190),)))


def too_large(twin: Twin) -> None:
    twin.send(CreateBlob(blob=B, length=BLOB_BYTES_MAX + PAGE_BYTES))


def negative(twin: Twin) -> None:
    create(twin)
    twin.send(SetProperties(blob=B, action="update", number=-1))


def rounded(twin: Twin) -> None:
    create(twin)
    twin.send(SetProperties(blob=B, action="update", number=(1 << 53) + 1))


DEMONSTRATIONS: dict[str, Callable[[Twin], None]] = {
    "foreign-lease-412": foreign_lease,
    "lease-lost-code": lease_lost,
    "page-range-code": page_range,
    "past-the-end": past_the_end,
    "put-over-4-mib": long_put,
    "over-8-tib": too_large,
    "negative-number": negative,
    "number-rounded": rounded,
    "write-to-snapshot": snapshot_written,
    "none-match-star": none_match_star,
    "create-with-lease": create_with_lease,
    "diff-is-everything": diff,
    "length-without-number": length_and_number,
    "snapshot-condition": snapshot_condition,
    "snapshot-etag": snapshot_etag,
    "break-period-unchecked": long_break,
    "read-at-end": read_at_end,
    "ranges-of-nothing": ranges_of_nothing,
    "metadata-over-8-kib": long_metadata,
}


def test_every_deviation_is_demonstrated() -> None:
    assert {row.name for row in DEVIATIONS} == {*DEMONSTRATIONS, *SLOW}
    assert all(row.documented and row.azurite and row.source for row in DEVIATIONS)


@pytest.mark.real
@pytest.mark.parametrize("name", DEMONSTRATIONS)
def test_a_deviation_shows_up(twin: Twin, name: str) -> None:
    DEMONSTRATIONS[name](twin)
    assert twin.gone == {}, "the service answers as documented: remove it from the table"
    assert twin.shown == ({name} if twin.account.is_azurite else set())

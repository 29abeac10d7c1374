"""Snapshots of the model: what they keep, what deletes them, what changed between them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sim.blob_pages import PageStore
from harness.sim.blob_requests import (
    BreakLease,
    ChangeLease,
    CreateBlob,
    DeleteBlob,
    ListRanges,
    ReadPages,
    SetMetadata,
    SetProperties,
    TakeSnapshot,
)
from tests.sim.asking import BLOB, A, Asking, B, outcome


def test_a_snapshot_keeps_pages_length_number_and_metadata() -> None:
    ask = Asking(pages=4, number=7)
    ask(SetMetadata(blob=BLOB, metadata=(("epoch", "1"),)))
    ask.put(0, 1, 2, 3, 4)
    taken = ask.take()
    ask.put(1, 20)
    ask.clear(2)
    ask(SetProperties(blob=BLOB, length=2 * 512, action=""))
    ask(SetProperties(blob=BLOB, action="max", number=9))
    ask(SetMetadata(blob=BLOB))
    assert ask.tokens() == (1, 20)
    assert ask.tokens(taken) == (1, 2, 3, 4)
    kept = ask.head(snapshot=taken)
    assert (kept.length, kept.number, kept.metadata) == (2048, 7, (("epoch", "1"),))
    assert kept.lease_state == ""


def test_metadata_of_its_own_replaces_that_of_the_blob_and_gives_another_etag() -> None:
    ask = Asking()
    ask(SetMetadata(blob=BLOB, metadata=(("epoch", "1"),)))
    etag = ask.blob.etag
    copied, own = ask.take(), ask.take(metadata=(("kind", "point"),))
    assert ask.head(snapshot=copied).etag == etag
    kept = ask.head(snapshot=own)
    assert kept.metadata == (("kind", "point"),)
    assert kept.etag != etag
    assert ask.blob.etag == etag, "a snapshot changes nothing of the blob (protocol.md F1)"


def test_ids_are_unique_and_in_order_even_at_one_moment() -> None:
    ask = Asking()
    ids = [ask.take() for _ in range(5)]
    assert ids == sorted(set(ids))
    assert ids[0] == "2020-01-01T00:00:00.0000000Z"


def test_snapshots_are_read_only_and_cannot_be_leased() -> None:
    ask = Asking()
    taken = ask.take()
    for request in (
        SetMetadata(blob=BLOB, snapshot=taken),
        SetProperties(blob=BLOB, snapshot=taken, length=512),
        BreakLease(blob=BLOB, snapshot=taken),
        ChangeLease(blob=BLOB, snapshot=taken, lease=A, proposed=B),
    ):
        assert ask(request).status == 400


def test_leases_and_snapshots() -> None:
    ask = Asking()
    ask.acquire()
    assert ask(TakeSnapshot(blob=BLOB)).status == 201, "the lease is ignored without an id"
    assert ask(TakeSnapshot(blob=BLOB, lease=A)).status == 201
    wrong = TakeSnapshot(blob=BLOB, lease=B)
    assert outcome(ask(wrong)) == "409 LeaseIdMismatchWithBlobOperation"
    taken = ask.take()
    assert ask(DeleteBlob(blob=BLOB, snapshot=taken, lease=A)).status == 412
    assert ask(DeleteBlob(blob=BLOB, snapshot=taken)).status == 202, "fenced by nothing (F4)"
    assert outcome(ask(DeleteBlob(blob=BLOB, snapshots="only"))) == "412 LeaseIdMissing"


def test_deleting() -> None:
    ask = Asking()
    first, second = ask.take(), ask.take()
    assert outcome(ask(DeleteBlob(blob=BLOB))) == "409 SnapshotsPresent"
    kind = DeleteBlob(blob=BLOB, snapshot=first, snapshots="include")
    assert outcome(ask(kind)) == "400 InvalidOperation"
    assert ask(DeleteBlob(blob=BLOB, snapshot=first)).status == 202
    assert outcome(ask(DeleteBlob(blob=BLOB, snapshot=first))) == "404 BlobNotFound"
    assert ask.head(snapshot=second).status == 200
    assert ask(DeleteBlob(blob=BLOB, snapshots="only")).status == 202
    assert ask.head(snapshot=second).status == 404
    ask.take()
    assert ask(DeleteBlob(blob=BLOB, snapshots="include")).status == 202
    assert ask.head().status == 404
    assert ask.service.list_blobs() == []


def test_an_overwritten_blob_keeps_its_snapshots_but_has_no_diff_to_them() -> None:
    ask = Asking(pages=2)
    ask.put(0, "old", "old")
    taken = ask.take()
    ask(CreateBlob(blob=BLOB, length=1024))
    assert ask.tokens() == (None, None)
    assert ask.tokens(taken) == ("old", "old")
    assert ask(ListRanges(blob=BLOB, previous=taken)).status == 409


def test_ranges_that_changed_since_a_snapshot() -> None:
    ask = Asking(pages=8)
    ask.put(0, *"abcdefgh")
    first = ask.take()
    ask.put(1, "B", "C")
    ask.clear(5)
    second = ask.take()
    ask.put(7, "H")
    ask.put(5, "F")
    to_now = ask(ListRanges(blob=BLOB, previous=first))
    assert (to_now.ranges, to_now.cleared) == (((512, 1536), (2560, 3072), (3584, 4096)), ())
    between = ask(ListRanges(blob=BLOB, snapshot=second, previous=first))
    assert (between.ranges, between.cleared) == (((512, 1536),), ((2560, 3072),))
    newer = ListRanges(blob=BLOB, snapshot=first, previous=second)
    assert outcome(ask(newer)) == "400 PreviousSnapshotCannotBeNewer"
    missing = ListRanges(blob=BLOB, previous="2019")
    assert outcome(ask(missing)) == "409 PreviousSnapshotNotFound"


def test_a_listing_shows_snapshots_before_their_blob() -> None:
    ask = Asking(number=3)
    taken = ask.take(metadata=(("kind", "point"),))
    ask(CreateBlob(blob="a", length=0))
    rows = [(row.blob, row.snapshot, row.metadata) for row in ask.service.list_blobs()]
    assert rows == [("a", "", ()), (BLOB, taken, (("kind", "point"),)), (BLOB, "", ())]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 7), st.integers(1, 3)),
        st.tuples(st.just("clear"), st.integers(0, 7), st.integers(1, 8)),
        st.tuples(st.just("take"), st.just(0), st.just(0)),
        st.tuples(st.just("drop"), st.integers(0, 5), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=100, deadline=None, database=None, derandomize=True)
def test_images_of_snapshots_equal_copies_made_at_their_time(
    steps: list[tuple[str, int, int]],
) -> None:
    store = PageStore()
    copies: list[dict[int, object]] = []
    for number, (kind, at, count) in enumerate(steps):
        if kind == "put":
            store.put(at, tuple(number * 10 + step for step in range(count)))
        elif kind == "clear":
            store.clear(at, at + count)
        elif kind == "take":
            store.take_snapshot()
            copies.append(dict(store.pages))
        elif at < len(copies):
            store.drop_snapshot(at)
            del copies[at]
        for index, copy in enumerate(copies):
            assert store.image(index) == copy
            assert store.read(0, 12, index) == tuple(map(copy.get, range(12)))
    for since, copy in enumerate(copies):
        changed = store.changed(since)
        different = {page for page in range(12) if copy.get(page) != store.pages.get(page)}
        assert different <= set(changed)


def test_reading_a_snapshot_that_is_gone() -> None:
    ask = Asking()
    read = ReadPages(blob=BLOB, offset=0, length=512, snapshot="2020")
    assert outcome(ask(read)) == "404 BlobNotFound"

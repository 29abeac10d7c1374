"""Snapshots and resizes over the wire: their conditions, their pages, their URL."""

import urllib.request

import pytest

from engine.core.messages import (
    DeleteSnapshot,
    ListSnapshots,
    ReadPage,
    Refusal,
    Resize,
    Snapshot,
)
from engine.shell.recovery_points import list_points
from tests.store.leased_blob import BLOB_BYTES, LeasedBlob, done, failed, next_id

pytestmark = pytest.mark.real

POINT = (("mp_point", "request"), ("mp_volume_bytes", "16777216"))


def snapshot_of(blob: LeasedBlob) -> str:
    state = blob.state()
    return done(blob.store.execute(Snapshot(next_id(), POINT, blob.lease, state.etag))).snapshot


def test_a_snapshot_keeps_page_size_and_metadata_of_its_moment(blob: LeasedBlob) -> None:
    last = BLOB_BYTES - 512
    done(blob.put(last, b"\x01" * 512))
    point = snapshot_of(blob)
    done(blob.put(last, b"\x02" * 512))
    done(blob.store.execute(Resize(next_id(), BLOB_BYTES // 2, blob.lease, blob.state().etag)))
    read = ReadPage(next_id(), last, None, point)
    assert done(blob.store.execute(read)).page == b"\x01" * 512
    gone = failed(blob.store.execute(ReadPage(next_id(), last, blob.lease)))
    assert gone.refusal is Refusal.RANGE
    assert [found["id"] for found in list_points(blob.store)] == [point]
    assert list_points(blob.store)[0]["size_bytes"] == BLOB_BYTES
    with urllib.request.urlopen(blob.store.read_url(60, point)) as answer:
        body = answer.read()
    assert len(body) == BLOB_BYTES
    assert body[last:] == b"\x01" * 512


def test_a_deleted_snapshot_is_gone_and_the_blob_is_not(blob: LeasedBlob) -> None:
    first, second = snapshot_of(blob), snapshot_of(blob)
    done(blob.store.execute(DeleteSnapshot(next_id(), first)))
    again = failed(blob.store.execute(DeleteSnapshot(next_id(), first)))
    assert again.refusal is Refusal.NOT_FOUND
    listed = done(blob.store.execute(ListSnapshots(next_id()))).snapshots
    assert [name for name, _ in listed] == [second]
    missing = failed(blob.store.execute(ReadPage(next_id(), 0, None, first)))
    assert missing.refusal is Refusal.NOT_FOUND
    done(blob.put(0, b"\x03" * 512))


def test_snapshot_and_resize_of_a_changed_blob_or_a_lost_lease_are_refused(
    blob: LeasedBlob,
) -> None:
    old = blob.state().etag
    done(blob.put(0, b"\x04" * 512))
    stranger = "00000000-0000-4000-8000-000000000000"
    for command in (
        Snapshot(next_id(), POINT, blob.lease, old),
        Resize(next_id(), BLOB_BYTES * 2, blob.lease, old),
    ):
        assert failed(blob.store.execute(command)).refusal is Refusal.ETAG
    fresh = blob.state().etag
    for command in (
        Snapshot(next_id(), POINT, stranger, fresh),
        Resize(next_id(), BLOB_BYTES * 2, stranger, fresh),
    ):
        assert failed(blob.store.execute(command)).refusal is Refusal.LEASE
    assert blob.state().length == BLOB_BYTES
    assert list_points(blob.store) == []


def test_space_that_a_blob_gains_reads_zero(blob: LeasedBlob) -> None:
    half = BLOB_BYTES // 2
    done(blob.put(half, b"\x05" * 512))
    for size in (half, BLOB_BYTES):
        done(blob.store.execute(Resize(next_id(), size, blob.lease, blob.state().etag)))
    assert blob.store.read_range(half, 512) == bytes(512)

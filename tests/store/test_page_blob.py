"""Every store command on the real service: what it does when nothing goes wrong."""

import hashlib
import random
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.core.messages import (
    Acquire,
    Break,
    Change,
    DeleteSnapshot,
    Head,
    LeaseState,
    ListSnapshots,
    Part,
    Put,
    Raise,
    ReadPage,
    Release,
    Renew,
    Resize,
    SetMetadata,
    Snapshot,
)
from engine.shell import blob_http
from engine.shell.page_blob import PageBlob
from tests.store.leased_blob import (
    BLOB_BYTES,
    NUMBER,
    LeasedBlob,
    done,
    failed,
    leased_blob,
    next_id,
)

pytestmark = pytest.mark.real

MIB = 1024 * 1024


def test_a_head_says_everything_at_once(blob: LeasedBlob) -> None:
    answer = done(blob.store.execute(Head(next_id(), blob.lease)))
    assert answer.state is not None
    assert answer.state.etag == answer.etag
    assert answer.etag.startswith('"')
    assert answer.state.number == NUMBER
    assert answer.state.length == BLOB_BYTES
    assert answer.state.metadata == (("mark", "seed"),)
    assert answer.state.lease_state is LeaseState.LEASED


def test_a_put_of_parts_writes_them_in_order(blob: LeasedBlob) -> None:
    noise = random.Random(1).randbytes(8192)
    parts = (
        Part(noise, 512, 1024),
        Part(None, 0, 512),
        Part(memoryview(noise), 4096, 2048),
        Part(bytearray(noise), 0, 512),
    )
    put = Put(next_id(), 8192, 4096, parts, blob.lease, NUMBER, None)
    before = blob.store.read_range(0, 16384)
    etag = done(blob.store.execute(put)).etag
    image = noise[512:1536] + bytes(512) + noise[4096:6144] + noise[:512]
    assert blob.store.read_range(0, 16384) == before[:8192] + image + before[12288:]
    assert blob.state().etag == etag


def test_a_put_of_4_mib_of_many_parts(blob: LeasedBlob) -> None:
    noise = random.Random(2).randbytes(4 * MIB)
    parts = tuple(Part(noise, start, 4096) for start in range(0, 4 * MIB, 4096))
    done(blob.store.execute(Put(1, MIB, 4 * MIB, parts, blob.lease, NUMBER, None)))
    digest = hashlib.sha256(blob.store.read_range(MIB, 4 * MIB)).digest()
    assert digest == hashlib.sha256(noise).digest()


def test_a_clear_may_be_larger_than_a_put(blob: LeasedBlob) -> None:
    done(blob.put(0, b"\1" * 4096))
    done(blob.put(BLOB_BYTES - 512, b"\2" * 512))
    done(blob.clear(0, BLOB_BYTES - 512))
    assert blob.store.page_ranges() == ((BLOB_BYTES - 512, 512),)
    assert blob.store.read_range(0, BLOB_BYTES - 512) == bytes(BLOB_BYTES - 512)


def test_page_ranges_are_merged_and_ascending(blob: LeasedBlob) -> None:
    for offset in (4096, 0, 512, 8192, 8704, 1024):
        done(blob.put(offset, b"\7" * 512))
    assert blob.store.page_ranges() == ((0, 1536), (4096, 512), (8192, 1024))


def test_a_raise_moves_the_etag_and_never_lowers_the_number(blob: LeasedBlob) -> None:
    before = blob.state()
    done(blob.store.execute(Raise(next_id(), NUMBER + 5, blob.lease)))
    assert blob.state().number == NUMBER + 5
    done(blob.store.execute(Raise(next_id(), NUMBER, blob.lease)))
    after = blob.state()
    assert after.number == NUMBER + 5
    assert after.etag != before.etag


def test_a_chain_of_puts_is_held_together_by_etags(blob: LeasedBlob) -> None:
    first = done(blob.put(0, b"\1" * 512))
    second = done(blob.put(0, b"\2" * 512, if_match=first.etag))
    assert second.etag != first.etag
    done(blob.put(0, b"\3" * 512, if_match=second.etag))
    page = done(blob.store.execute(ReadPage(next_id(), 0, blob.lease)))
    assert page.page == b"\3" * 512


def test_metadata_is_replaced_whole(blob: LeasedBlob) -> None:
    new = (("epoch", "12"), ("owner", "node-1 a=b; c"), ("term", "7"))
    done(blob.store.execute(SetMetadata(next_id(), new, blob.lease, blob.state().etag)))
    assert blob.state().metadata == new


def test_a_resize_grows_and_shrinks(blob: LeasedBlob) -> None:
    for length in (2 * BLOB_BYTES, MIB):
        done(blob.store.execute(Resize(next_id(), length, blob.lease, blob.state().etag)))
        assert blob.state().length == length


def test_a_snapshot_keeps_its_content_and_metadata_until_it_is_deleted(blob: LeasedBlob) -> None:
    done(blob.put(0, b"\1" * 512))
    stamped = (("kind", "point"), ("pid", "77"))
    take = Snapshot(next_id(), stamped, blob.lease, blob.state().etag)
    taken = done(blob.store.execute(take)).snapshot
    done(blob.put(0, b"\2" * 512))
    again = Snapshot(next_id(), (("pid", "78"),), blob.lease, blob.state().etag)
    later = done(blob.store.execute(again)).snapshot

    listed = done(blob.store.execute(ListSnapshots(next_id()))).snapshots
    assert listed == ((taken, stamped), (later, (("pid", "78"),)))
    assert blob.store.read_range(0, 512, taken) == b"\1" * 512
    assert blob.store.page_ranges(taken) == ((0, 512),)

    done(blob.store.execute(DeleteSnapshot(next_id(), taken)))
    listed = done(blob.store.execute(ListSnapshots(next_id()))).snapshots
    assert [snapshot for snapshot, _ in listed] == [later]
    assert blob.state().length == BLOB_BYTES


def test_snapshots_taken_at_once_have_names_of_their_own(blob: LeasedBlob) -> None:
    etag = blob.state().etag
    commands = [Snapshot(next_id(), (), blob.lease, etag) for _ in range(8)]
    with ThreadPoolExecutor(4) as threads:
        names = {done(answer).snapshot for answer in threads.map(blob.store.execute, commands)}
    assert len(names) == 8


def test_snapshots_of_a_longer_name_are_not_ours(blob: LeasedBlob) -> None:
    store = blob.store
    other = PageBlob(store.account, store.container, f"{store.blob}.old")
    neighbour = leased_blob(other, MIB)
    done(other.execute(Snapshot(next_id(), (), neighbour.lease, neighbour.state().etag)))
    assert done(store.execute(ListSnapshots(next_id()))).snapshots == ()


def test_a_lease_is_renewed_changed_released_broken_and_acquired_anew(blob: LeasedBlob) -> None:
    store, second, third = blob.store, str(uuid.uuid4()), str(uuid.uuid4())
    etag = blob.state().etag
    assert done(store.execute(Renew(next_id(), blob.lease))).etag == etag
    done(store.execute(Change(next_id(), blob.lease, second)))
    assert failed(store.execute(Renew(next_id(), blob.lease))).status == 409
    done(store.execute(Release(next_id(), second)))
    assert blob.state().lease_state is LeaseState.AVAILABLE
    done(store.execute(Acquire(next_id(), third, 15, etag)))
    done(store.execute(Break(next_id(), etag)))
    assert blob.state().lease_state is LeaseState.BROKEN
    done(store.execute(Acquire(next_id(), blob.lease, 15, etag)))
    assert blob.state().etag == etag


def test_four_threads_at_once_write_and_read_what_each_wrote(blob: LeasedBlob) -> None:
    def work(thread: int) -> bool:
        base = thread * MIB
        for number in range(20):
            data = bytes([thread + 1, number + 1]) * 2048
            done(blob.put(base + number * 4096, data))
            assert blob.store.read_range(base + number * 4096, 4096) == data
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (511, 2), (3, 0), (4 * MIB - 7, 9 * MIB)])
def test_a_range_of_any_alignment_reads_right(blob: LeasedBlob, offset: int, length: int) -> None:
    image = random.Random(3).randbytes(2 * MIB)
    done(blob.put(0, image[:MIB]))
    done(blob.put(4 * MIB - 512, image[MIB : MIB + 1024]))
    whole = bytearray(BLOB_BYTES)
    whole[:MIB] = image[:MIB]
    whole[4 * MIB - 512 : 4 * MIB + 512] = image[MIB : MIB + 1024]
    assert blob.store.read_range(offset, length) == whole[offset : offset + length]


def test_the_read_url_reads_the_blob_and_allows_nothing_else(blob: LeasedBlob) -> None:
    done(blob.put(0, b"\5" * 512))
    url = blob.store.read_url(60)
    ranged = urllib.request.Request(url, headers={"Range": "bytes=0-511"})
    with urllib.request.urlopen(ranged, timeout=60) as answer:
        assert answer.read() == b"\5" * 512
    delete = urllib.request.Request(url, method="DELETE")
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(delete, timeout=60)
    refused.value.close()


def test_the_read_url_of_a_snapshot_reads_the_snapshot(blob: LeasedBlob) -> None:
    done(blob.put(0, b"\1" * 512))
    take = Snapshot(next_id(), (), blob.lease, blob.state().etag)
    snapshot = done(blob.store.execute(take)).snapshot
    done(blob.put(0, b"\2" * 512))
    request = urllib.request.Request(
        blob.store.read_url(60, snapshot), headers={"Range": "bytes=0-511"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.read() == b"\1" * 512


def test_a_connection_that_was_idle_too_long_is_not_used(
    blob: LeasedBlob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azurite cuts idle connections after 6 to 8 s, so we drop ours after 4; here at once."""
    monkeypatch.setattr(blob_http, "IDLE_SECONDS_MAX", 3600.0)
    done(blob.put(0, b"\1" * 512))
    idle = set(blob.store.account._pool._idle)
    assert idle
    done(blob.put(0, b"\2" * 512))
    assert idle == set(blob.store.account._pool._idle)
    monkeypatch.setattr(blob_http, "IDLE_SECONDS_MAX", -1.0)
    done(blob.put(0, b"\3" * 512))
    assert not idle & set(blob.store.account._pool._idle)


def test_check_container_says_whether_the_blob_is_there(store: PageBlob, blob: LeasedBlob) -> None:
    missing = PageBlob(store.account, store.container, "nothing-here.vhd")
    assert blob.store.check_container() is True
    assert missing.check_container() is False

"""The state folder: locks, lease ids, identities, records of orderly stops."""

import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.shell.node_state import NodeState


@pytest.fixture
def state(tmp_path: Path) -> Iterator[NodeState]:
    made = NodeState(tmp_path / "deep" / "state")
    yield made
    made.close()


def test_a_lease_id_is_fresh_and_on_disk_when_it_is_given_out(state: NodeState) -> None:
    assert state.last_lease("db") == ""
    leases = {state.new_lease("db") for _ in range(3)}
    assert len(leases) == 3
    last = state.new_lease("db")
    assert (state.folder / "db.lease").read_text() == last
    assert str(uuid.UUID(last)) == last
    assert state.last_lease("db") == last
    assert state.last_lease("other") == ""


@pytest.mark.parametrize("content", [b"", b"\xff", b"no lease id", b"a\r\nb: c", b"0" * 5000])
def test_a_damaged_lease_id_is_none(state: NodeState, content: bytes) -> None:
    (state.folder / "db.lease").write_bytes(content)
    assert state.last_lease("db") == ""


def test_the_identity_is_drawn_once_and_kept(state: NodeState) -> None:
    first = state.identity("db")
    assert len(first.unique_id) == 16
    assert state.identity("db") == first
    assert state.identity("log").unique_id != first.unique_id
    folder = state.folder
    state.close()
    again = NodeState(folder)
    assert again.identity("db") == first
    state._lock_fd = again._lock_fd


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"7",
        b"\xff\xfe",
        b"{}",
        b'{"unique_id": "00", "created_unix_s": 1}',
        b'{"unique_id": "zz", "created_unix_s": 1}',
        b'{"unique_id": 5, "created_unix_s": 1}',
        b'{"unique_id": "00112233445566778899aabbccddeeff"}',
        b'{"unique_id": "00112233445566778899aabbccddeeff", "created_unix_s": "soon"}',
    ],
)
def test_a_damaged_identity_is_said_and_kept(state: NodeState, content: bytes) -> None:
    (state.folder / "db.identity").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"db\.identity is damaged; remove it"):
        state.identity("db")
    assert (state.folder / "db.identity").read_bytes() == content


def test_the_record_of_a_stop_is_true_once(state: NodeState) -> None:
    state.record_stop("db", "etag-1", "8:1")
    assert state.take_stop_record("log", "8:1") == ""
    assert state.take_stop_record("db", "8:1") == "etag-1"
    assert state.take_stop_record("db", "8:1") == ""


def test_a_record_of_another_volume_content_is_void_and_gone(state: NodeState) -> None:
    state.record_stop("db", "etag-1", "8:1")
    assert state.take_stop_record("db", "8:2") == ""
    assert state.take_stop_record("db", "8:1") == ""


def test_a_change_since_the_stop_is_seen_before_the_record_is_taken(state: NodeState) -> None:
    assert state.changed_since_stop("db", "8:1") is False
    state.record_stop("db", "etag-1", "8:1")
    assert state.changed_since_stop("db", "8:1") is False
    assert state.changed_since_stop("db", "8:2") is True
    assert state.changed_since_stop("db", "") is True
    assert state.take_stop_record("db", "8:1") == "etag-1"
    assert state.changed_since_stop("db", "8:2") is False


def test_a_volume_of_which_nothing_is_known_has_no_record(state: NodeState) -> None:
    state.record_stop("db", "etag-1", "")
    assert state.take_stop_record("db", "") == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"null", b"\xff", b'{"etag": "e"}'])
def test_a_damaged_record_is_none(state: NodeState, content: bytes) -> None:
    (state.folder / "db.stopped").write_bytes(content)
    assert state.take_stop_record("db", "8:1") == ""


def test_everything_is_for_this_user_alone(state: NodeState) -> None:
    before = os.umask(0)
    try:
        state.new_lease("db")
        state.identity("db")
        state.record_stop("db", "e", "f")
        path = state.write_secret("db.mount.json", "{}")
    finally:
        os.umask(before)
    assert path.read_text() == "{}"
    for file in state.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_write_that_was_cut_short_is_not_seen(state: NodeState) -> None:
    """A crash leaves the half-written file beside the whole one."""
    lease = state.new_lease("db")
    (state.folder / "db.lease.new").write_text("ha")
    assert state.last_lease("db") == lease
    assert state.new_lease("db") == state.last_lease("db")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first = NodeState(tmp_path)
    with pytest.raises(ConfigurationError, match="another engine process of this site is running"):
        NodeState(tmp_path)
    first.close()
    NodeState(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="Not a directory; correct `state`"):
        NodeState(tmp_path / "file" / "state")

"""Transcripts of seeding; what metadata can be read."""

from itertools import count

import pytest

from engine.core.blob_metadata import new_metadata, parse_metadata
from engine.core.messages import (
    Clear,
    Command,
    Done,
    Failed,
    Put,
    Raise,
    ReadVolume,
    Refusal,
    Unknown,
    VolumeRead,
)
from engine.core.seeding import REGION_BYTES, Seeding, Trouble
from engine.errors import ProtocolError
from engine.units import MIB
from tests.core.test_ownership import SETTINGS

LATER = 60_000_000


def seeding(volume_bytes: int = 8 * MIB, *, blob_is_zero: bool = True) -> Seeding:
    ids = count(1)
    made = Seeding(volume_bytes, 2, lambda: next(ids), blob_is_zero=blob_is_zero)
    made.own("L", 100)
    return made


def read(commands: list[Command]) -> ReadVolume:
    """The one read among the commands."""
    (found,) = [command for command in commands if isinstance(command, ReadVolume)]
    return found


def test_an_empty_volume_is_copied_by_reading_it_once() -> None:
    copying = seeding()
    whole = read(copying.pump(0))
    assert (whole.offset, whole.limit) == (0, 8 * MIB)
    assert copying.volume_read(0, VolumeRead(whole.id, (), 8 * MIB)) == []
    assert copying.finished
    assert copying.progress() == (8 * MIB, 8 * MIB)


def test_holes_are_cleared_where_the_blob_may_hold_something() -> None:
    copying = seeding(blob_is_zero=False)
    whole = read(copying.pump(0))
    run = (4096, 512, ("x",))
    first, second = copying.volume_read(0, VolumeRead(whole.id, (run,), 8 * MIB))
    assert isinstance(first, Clear)
    assert (first.offset, first.length) == (0, 4096)
    assert isinstance(second, Put)
    assert second.offset == 4096


def test_a_write_behind_the_cursor_is_copied_after_a_raise_and_captures_from_then() -> None:
    copying = seeding()
    whole = read(copying.pump(0))
    copying.write_began(512, 512)
    run = (0, 512, ("old",))
    (put,) = copying.volume_read(0, VolumeRead(whole.id, (run,), 8 * MIB))
    assert isinstance(put, Put)
    assert copying.write_ended(0, 512, 512) == []
    before = copying.capturing
    (raise_,) = copying.handle(0, Done(put.id, "e1"))
    assert isinstance(raise_, Raise)
    assert (before, copying.capturing) == (False, True)
    again = read(copying.handle(0, Done(raise_.id, "e2")))
    assert (again.offset, again.limit) == (0, REGION_BYTES)
    out = copying.volume_read(0, VolumeRead(again.id, ((0, 512, ("new",)),), 4096))
    rest = read(out)
    assert (rest.offset, rest.limit) == (4096, REGION_BYTES), "the region is read to its end"
    assert not copying.finished


def test_it_does_not_finish_before_the_writes_under_way() -> None:
    copying = seeding()
    whole = read(copying.pump(0))
    copying.volume_read(0, VolumeRead(whole.id, (), 4 * MIB))
    copying.write_began(0, 512)
    assert not copying.finished


@pytest.mark.parametrize(
    ("answer", "raises"),
    [
        (Unknown(2, "timeout"), True),
        (Failed(2, Refusal.BUSY), True),
        (Failed(2, Refusal.UNREACHABLE), False),
    ],
)
def test_what_may_be_alive_is_killed_before_it_is_repeated(
    answer: Unknown | Failed, raises: bool
) -> None:
    copying = seeding()
    whole = read(copying.pump(0))
    (put,) = copying.volume_read(0, VolumeRead(whole.id, ((0, 512, ("x",)),), 8 * MIB))
    assert isinstance(put, Put)
    assert put.id == 2
    copying.handle(0, answer)
    (command,) = copying.pump(LATER)
    assert isinstance(command, Raise) == raises
    if isinstance(command, Raise):
        (command,) = copying.handle(LATER, Done(command.id, "e"))
    assert isinstance(command, Put)
    assert command.number == (101 if raises else 100)


@pytest.mark.parametrize(
    ("refusal", "trouble"),
    [
        (Refusal.LEASE, Trouble.FENCED),
        (Refusal.SEQUENCE, Trouble.FENCED),
        (Refusal.RANGE, Trouble.BROKEN),
    ],
)
def test_trouble_that_it_cannot_end_itself(refusal: Refusal, trouble: Trouble) -> None:
    copying = seeding()
    whole = read(copying.pump(0))
    copying.volume_read(0, VolumeRead(whole.id, ((0, 512, ("x",)),), 8 * MIB))
    copying.handle(0, Failed(2, refusal))
    assert copying.trouble is trouble
    copying.own("M", 200)
    (put, *_) = copying.pump(LATER)
    assert isinstance(put, Put)
    assert (put.lease, put.number) == ("M", 200)


def test_metadata_of_another_program_is_named() -> None:
    with pytest.raises(ProtocolError, match="mp_version"):
        parse_metadata(())
    pairs = dict(new_metadata(SETTINGS).to_map())
    with pytest.raises(ProtocolError, match="version '9'"):
        parse_metadata(tuple(sorted((pairs | {"mp_version": "9"}).items())))
    with pytest.raises(ProtocolError, match="cannot be read"):
        parse_metadata(tuple(sorted((pairs | {"mp_term": "x"}).items())))
    kept = parse_metadata(tuple(sorted((pairs | {"colour": "blue"}).items())))
    assert ("colour", "blue") in kept.to_map()
